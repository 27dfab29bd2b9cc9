//! Somebody without a mouse, or with a screen reader.

use super::Person;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use thirtyfour::{Key, TypingData};

/// Steps of the Tab key from one end of a page to the other, at most.
const STEPS_MAX: usize = 80;
/// What a screen reader says the name of.
const NAMED: [&str; 9] = [
    "button",
    "textbox",
    "searchbox",
    "link",
    "dialog",
    "combobox",
    "checkbox",
    "list",
    "toolbar",
];

impl Person {
    /// Goes there by the Tab key, and presses Enter.
    ///
    /// # Errors
    /// If the keyboard does not lead there.
    pub async fn enters_by_keyboard(&self, css: &str) -> Result<()> {
        self.finds_enabled(css).await?;
        for _ in 0..STEPS_MAX {
            let script = "return document.activeElement?.matches(arguments[0])";
            let is_there = self.driver().execute(script, vec![json!(css)]).await?;
            if is_there.json().as_bool() == Some(true) {
                return self.types_keys(Key::Enter + "").await;
            }
            self.types_keys(Key::Tab + "").await?;
        }
        bail!("{} does not come to {css} by the Tab key", self.name())
    }

    /// Types where the focus is.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn types_keys(&self, keys: impl Into<TypingData>) -> Result<()> {
        let element = self.driver().active_element().await?;
        Ok(element.send_keys(keys).await?)
    }

    /// Whether a screen reader has a name for everything that can be used.
    ///
    /// # Errors
    /// Names what has none.
    pub async fn has_a_name_for_everything(&self) -> Result<()> {
        let tools = self.driver().cdp();
        let tree = tools
            .send_raw("Accessibility.getFullAXTree", json!({}))
            .await?;
        let nodes = tree["nodes"].as_array().context("a tree")?;
        let nameless: Vec<&Value> = nodes.iter().filter(|node| is_nameless(node)).collect();
        ensure!(nameless.is_empty(), "without a name: {nameless:?}");
        ensure!(nodes.len() > 10, "the page is empty");
        Ok(())
    }
}

fn is_nameless(node: &Value) -> bool {
    let role = node["role"]["value"].as_str().unwrap_or_default();
    let name = node["name"]["value"].as_str().unwrap_or_default();
    let is_ignored = node["ignored"].as_bool().unwrap_or_default();
    !is_ignored && NAMED.contains(&role) && name.trim().is_empty()
}
