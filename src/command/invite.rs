//! `roost invite`: an invite by the operator, by way of the running server or on its folder.

use crate::boot;
use crate::clock;
use crate::config::DataArgs;
use crate::control::{self, Answer, Request};
use anyhow::{Context, Result, bail};
use clap::Args;
use roost_store::Store;
use std::path::Path;

#[derive(Args, Debug)]
pub struct InviteArgs {
    #[command(flatten)]
    place: DataArgs,
    /// How many people may use it
    #[arg(long, default_value_t = 1, value_name = "N")]
    uses: u32,
    /// How long it lasts: 30m, 12h or 7d, at most 90d
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = seconds)]
    expires: u64,
}

pub fn run(args: InviteArgs) -> Result<()> {
    let data = args.place.folder()?;
    let request = Request::Invite {
        uses: args.uses,
        seconds: args.expires,
    };
    let asked = control::ask(&data, &request).context("the running server does not answer")?;
    let link = match asked {
        Some(Answer::Invite(link)) => link,
        Some(Answer::Refused(why)) => bail!(why),
        None => at_rest(&data, args.uses, args.expires)?,
    };
    println!("invite: {link}");
    Ok(())
}

fn at_rest(data: &Path, uses: u32, seconds: u64) -> Result<String> {
    if !data.exists() {
        bail!(
            "there is no data folder {}; start the server first, or name its folder with --data",
            data.display()
        );
    }
    actix_web::rt::System::new().block_on(async {
        let opened = boot::open_folder(data, boot::settings_at_rest(data)).await?;
        let now = clock::now().seconds();
        let link = opened.app.invites.by_operator(uses, seconds, now).await?;
        opened.store.close().await?;
        Ok(link.to_string())
    })
}

/// `30m`, `12h`, `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "write a number and m, h or d, as in 7d".to_owned();
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in ["", "d", "7", "7w", "-1d", "7é", "99999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
