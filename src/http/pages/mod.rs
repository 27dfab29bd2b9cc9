//! Pages rendered here: what can be read before any script.

pub mod app;
pub mod authority;
pub mod call;
pub mod health;
pub mod invite;
pub mod notice;

use crate::http::assets::ASSET_SET;
use crate::http::guard::headers::{PERMISSIONS, PagePolicy};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use askama::Template;

const HTML: &str = "text/html; charset=utf-8";

/// What every page has around it.
pub struct Shell {
    pub set: &'static str,
    /// Whether the browser client runs on it.
    pub has_app: bool,
}

impl Shell {
    const APP: Self = Self {
        set: ASSET_SET,
        has_app: true,
    };
    const PLAIN: Self = Self {
        set: ASSET_SET,
        has_app: false,
    };
}

/// Instances of a page that show all it can show, for tests.
#[cfg(test)]
pub trait Samples: Template + Sized {
    fn samples() -> Vec<Self>;
}

fn page(status: StatusCode, policy: PagePolicy, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, HTML))
            .insert_header((CONTENT_SECURITY_POLICY, policy.content))
            .insert_header((PERMISSIONS, policy.permissions))
            .body(web::Bytes::from(html)),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered<T: Samples>() -> Vec<String> {
        let samples = T::samples();
        samples.iter().map(|page| page.render().unwrap()).collect()
    }

    fn all() -> Vec<String> {
        [
            rendered::<app::AppPage>(),
            rendered::<invite::InvitePage>(),
            rendered::<call::CallPage>(),
            rendered::<notice::NoticePage>(),
        ]
        .concat()
    }

    #[test]
    fn pages_have_no_inline_script_style_or_handler() {
        for html in all() {
            assert!(!html.contains("<style"), "{html}");
            assert!(!html.contains(" style="), "{html}");
            assert!(
                !html.contains(" onclick") && !html.contains(" onerror="),
                "{html}"
            );
            assert!(!html.contains("<script>"), "{html}");
        }
    }

    #[test]
    fn names_are_escaped() {
        let escaped = all()
            .iter()
            .filter(|html| html.contains("&#60;img onerror&#62;"))
            .count();

        assert!(escaped > 0, "a sample has a name with markup in it");
    }
}
