//! One message to many: what a delivery costs the server.

use super::{account, figure, members, opened, process, runtime, server};
use crate::lean::{Listener, submission};
use crate::world::dice::Seeded;
use anyhow::Result;
use roost_client::Command;
use roost_wire::frame::ServerFrame;
use tokio::task::JoinSet;

const MEMBERS: usize = 200;
const MESSAGES: u32 = 300;
const MESSAGE_BYTES: usize = 1_024;

pub fn group() -> Result<()> {
    runtime()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let server = server(&folder.path().join("data"))?;
        let mut users = members(&server, MEMBERS).await?;
        users[0].does(Command::RefreshPeople).await?;
        let others = users[1..].iter().map(account).collect::<Result<_>>()?;
        let command = Command::CreateGroup {
            name: "all of them".into(),
            members: others,
        };
        let room = opened(&users[0].does(command).await?)?;
        for user in &mut users[1..] {
            user.does(Command::SyncOnce).await?;
        }
        let (head, epoch) = (users[0].head(&room).await?, users[0].epoch(&room).await?);
        let mut listeners = Vec::new();
        let mut speaker = None;
        for user in &users {
            let (voice, ear) = user.line(&[(room, head)]).await?.split();
            speaker.get_or_insert(voice);
            listeners.push(ear);
        }
        let mut dice = Seeded::new(1);
        let frames: Vec<_> = (0..MESSAGES)
            .map(|request| submission(request, &room, epoch, MESSAGE_BYTES, &mut dice))
            .collect();
        let cpu = process::cpu_seconds(server.process()?)?;
        let mut ears = JoinSet::new();
        for listener in listeners {
            ears.spawn(listen(listener));
        }
        if let Some(speaker) = &mut speaker {
            for frame in frames {
                speaker.send(frame).await?;
            }
        }
        while let Some(done) = ears.join_next().await {
            done??;
        }
        let cpu = process::cpu_seconds(server.process()?)? - cpu;
        let deliveries = f64::from(MESSAGES) * MEMBERS as f64;
        figure(
            "group of 200: server CPU per delivery",
            cpu / deliveries * 1e6,
            "µs",
        );
        Ok(())
    })
}

async fn listen(mut listener: Listener) -> Result<()> {
    let mut received = 0;
    while received < MESSAGES {
        if let ServerFrame::Event { .. } = ServerFrame::parse(&listener.frame().await?)? {
            received += 1;
        }
    }
    Ok(())
}
