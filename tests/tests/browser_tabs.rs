//! Tabs of one browser: one leads, and when it goes away nothing is done twice and nothing lost.

use anyhow::Result;
use roost_tests::browser::{Mark, Person, Station};
use roost_tests::real::RealServer;
use serde_json::{Value, json};

/// A tab that speaks as its worker would, but never learns what is done: to whoever leads next it
/// says all of it again. Nobody can close a window between a transaction and the word of it.
const DEAF_TAB: &str = r"
    const channel = new BroadcastChannel('roost');
    const say = (message) => channel.postMessage({ to: 'leader', tab: 'deaf', ...message });
    const hello = { url: location.href, group: location.hash.slice('#/c/'.length), had: true };
    const introduce = () => {
        say({ hello });
        deaf.texts.forEach((text, at) => {
            say({ event: ['send', [['text', text]]], number: at + 1 });
        });
    };
    window.deaf = { channel, texts: arguments[0], done: [] };
    channel.onmessage = ({ data }) => {
        if (data.to === 'all') introduce();
        if (data.to === 'deaf' && data.message.done) deaf.done.push(data.message.done);
    };
    navigator.locks.request('roost-deaf', () => {
        introduce();
        return new Promise(() => {});
    });";

/// Waits until the deaf tab was told so many times that something is done.
const TOLD: &str = "const [times, done] = arguments;\
    const look = () => deaf.done.length < times ? setTimeout(look, 20) : done(deaf.done);\
    look();";

/// Waits until actions of so many tabs are on record.
const ON_RECORD: &str = r"
    const [tabs, done] = arguments;
    indexedDB.open('roost').onsuccess = ({ target: { result: database } }) => {
        const look = () => {
            const request = database.transaction('handled').objectStore('handled').count();
            request.onsuccess = () => {
                if (request.result !== tabs) return setTimeout(look, 20);
                database.close();
                done(request.result);
            };
        };
        look();
    };";

/// Makes the database what it was in its first version, with what is in it.
const FIRST_VERSION: &str = r"
    const done = arguments[0];
    const names = ['rows', 'keys'];
    const answer = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const read = async (store) => {
        const both = [store.getAllKeys(), store.getAll()];
        const [keys, values] = await Promise.all(both.map(answer));
        return keys.map((key, at) => [key, values[at]]);
    };
    const change = async () => {
        const present = await answer(indexedDB.open('roost'));
        const version = present.version;
        const reading = present.transaction(names);
        const kept = await Promise.all(names.map((name) => read(reading.objectStore(name))));
        present.close();
        await answer(indexedDB.deleteDatabase('roost'));
        const opening = indexedDB.open('roost', 1);
        opening.onupgradeneeded = () => {
            for (const name of names) opening.result.createObjectStore(name);
        };
        const first = await answer(opening);
        const writing = first.transaction(names, 'readwrite');
        names.forEach((name, at) => {
            for (const [key, value] of kept[at]) writing.objectStore(name).put(value, key);
        });
        await new Promise((resolve) => { writing.oncomplete = resolve; });
        first.close();
        return version;
    };
    change().then(done, (error) => done(String(error)));";

#[tokio::test]
async fn what_one_tab_asked_is_not_done_again_when_another_begins_to_lead() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let (ada, ben) = two_people(&station, &server).await?;
    let leading = ben.driver().window().await?;
    let second = ben.driver().new_tab().await?;
    ben.driver().switch_to_window(second.clone()).await?;
    ben.opens(server.origin()).await?;
    ben.presses("#rows .row").await?;
    ben.sees("From the tab that leads").await?;
    script(&ben, DEAF_TAB, json!(["One", "Two"])).await?;
    assert_eq!(wait(&ben, TOLD, json!(2)).await?, json!([1, 2]));
    ben.sees_mark("Two", Mark::Sent).await?;
    script(&ben, "deaf.texts.push(arguments[0])", json!("Three")).await?;

    ben.driver().switch_to_window(leading).await?;
    ben.driver().close_window().await?;
    ben.driver().switch_to_window(second).await?;
    assert_eq!(wait(&ben, TOLD, json!(5)).await?, json!([1, 2, 1, 2, 3]));
    ben.says("From the other tab").await?;

    ada.sees("From the other tab").await?;
    let said = [
        "From the tab that leads",
        "One",
        "Two",
        "Three",
        "From the other tab",
    ];
    assert_eq!(ada.reads().await?, said);
    assert_eq!(ben.reads().await?, said);
    // The tab that is gone is not among them.
    assert_eq!(wait(&ben, ON_RECORD, json!(2)).await?, json!(2));
    for person in [ada, ben] {
        person.has_no_complaints().await?;
        person.leaves().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_the_first_version_stored_is_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let (ada, ben) = two_people(&station, &server).await?;

    ben.opens(&format!("{}/healthz", server.origin())).await?;
    let version = ben
        .driver()
        .execute_async(FIRST_VERSION, Vec::new())
        .await?;
    assert_eq!(*version.json(), json!(2));
    ben.opens(server.origin()).await?;
    ben.presses("#rows .row").await?;
    ben.sees("From the tab that leads").await?;
    ben.says("Still here").await?;

    ada.sees("Still here").await?;
    assert_eq!(wait(&ben, ON_RECORD, json!(1)).await?, json!(1));
    ben.has_no_complaints().await?;
    ben.leaves().await?;
    ada.leaves().await
}

/// Both are in their conversation, in which Ben has said something.
async fn two_people(station: &Station, server: &RealServer) -> Result<(Person, Person)> {
    let ada = Person::joined(station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::joined(station, "Ben", &link).await?;
    ben.says("From the tab that leads").await?;
    ben.sees_mark("From the tab that leads", Mark::Sent).await?;
    ada.presses("#rows .row").await?;
    ada.sees("From the tab that leads").await?;
    Ok((ada, ben))
}

async fn script(person: &Person, script: &str, argument: Value) -> Result<()> {
    person.driver().execute(script, vec![argument]).await?;
    Ok(())
}

/// What a script answers later.
async fn wait(person: &Person, script: &str, argument: Value) -> Result<Value> {
    let driver = person.driver();
    let answer = driver.execute_async(script, vec![argument]).await?;
    Ok(answer.json().clone())
}
