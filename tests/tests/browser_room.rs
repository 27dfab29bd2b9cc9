//! Group calls between real browsers, through the server: what arrives is judged by tone and colour.

use anyhow::{Result, ensure};
use roost_tests::browser::{Colour, House, MEDIA, Person, SCREEN, Station};
use roost_tests::real::RealServer;
use serde_json::json;

#[tokio::test]
async fn four_people_hear_and_see_each_other_and_who_is_removed_does_not() -> Result<()> {
    let house = House::of(4).await?;
    let [ada, ben, cleo, dov] = house.people()?;
    ada.begins_room(false).await?;
    ada.is_in_room_with(&["You"]).await?;
    for person in [ben, cleo, dov] {
        person.joins_room().await?;
    }
    house.all_hear_each_other().await?;
    // Then the cameras: four browsers that paint and encode are slow without a graphics card.
    for person in &house.people {
        person.presses("[data-local='call-camera']").await?;
    }
    house.all_see_each_other().await?;
    ada.is_pictured("room-four").await?;

    ada.removes_from_room("Dov").await?;
    dov.is_in_no_call().await?;
    dov.is_cut_off().await?;
    ada.is_in_room_with(&["You", "Ben", "Cleo"]).await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    ben.sees_of("Cleo", Colour::Green).await?;
    ada.presses("[data-action='room-view']").await?;
    ada.finds_enabled("#room-tiles.one .large").await?;
    ada.is_pictured("room-three-speaker").await?;

    cleo.leaves_room().await?;
    cleo.is_in_no_call().await?;
    ada.is_in_room_with(&["You", "Ben"]).await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    house.part().await
}

#[tokio::test]
async fn a_group_call_goes_on_by_itself_when_its_server_is_started_anew() -> Result<()> {
    let mut house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ada.begins_room(false).await?;
    ben.joins_room().await?;
    ben.hears_of("Ada", MEDIA[0]).await?;

    house.server.kill()?;
    house.server.start_again()?;

    let [ada, ben] = house.people()?;
    for person in [ada, ben] {
        person.connects_anew().await?;
    }
    ben.is_in_room_with(&["Ada", "You"]).await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    ada.hears_of("Ben", MEDIA[1]).await?;
    house.part().await
}

#[tokio::test]
async fn who_can_only_get_out_by_tls_is_in_the_call_all_the_same() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ben.goes_only_by(Some("tls")).await?;
    ada.begins_room(false).await?;
    ben.joins_room().await?;

    ben.hears_of("Ada", MEDIA[0]).await?;
    ada.hears_of("Ben", MEDIA[1]).await?;

    let route = ben.route().await?;
    ensure!(route["relay"] == "tls", "{route}");
    house.part().await
}

#[tokio::test]
async fn who_cannot_seal_is_told_instead_of_hearing_nothing() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ada.begins_room(false).await?;
    ben.cannot_seal().await?;

    ben.joins_room().await?;

    ben.sees_words("This browser cannot seal sound and pictures")
        .await?;
    ben.leaves_room().await?;
    ben.is_in_no_call().await?;
    house.part().await
}

#[tokio::test]
async fn what_one_shows_of_oneself_the_others_see_and_who_is_not_in_the_call_does_not() -> Result<()>
{
    let house = House::of(3).await?;
    let [ada, ben, cleo] = house.people()?;
    ada.begins_room(false).await?;
    cleo.finds_enabled(".join").await?;
    cleo.sees_words("Started a call").await?;
    ben.joins_room().await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    ben.finds_enabled("[data-action='room-hand']").await?;

    ada.presses("[data-action='room-hand']").await?;
    ben.sees_words("raises a hand").await?;
    ada.presses("[data-local='call-mic']").await?;
    ben.sees_words("muted").await?;
    ada.presses("[data-local='call-camera']").await?;
    ben.sees_of("Ada", Colour::Red).await?;
    ben.presses("[data-action='room-view']").await?;
    ben.finds_enabled("#room-tiles.one .large").await?;
    ben.is_pictured("room-speaker").await?;
    ben.presses("[data-action='room-small']").await?;
    ben.says("written while talking").await?;
    cleo.sees("written while talking").await?;
    ben.is_pictured("room-small").await?;
    cleo.is_pictured("room-on").await?;
    ensure!(
        cleo.counts_frames().await?.is_null(),
        "who is not in the call has no keys"
    );

    ada.reloads().await?;
    ben.is_in_room_with(&["You"]).await?;
    ben.presses("[data-action='room-small']").await?;
    ben.leaves_room().await?;
    ben.is_in_no_call().await?;
    cleo.finds_enabled("[data-action='room-enter'][data-video='true']")
        .await?;
    house.part().await
}

#[tokio::test]
async fn who_answers_somebody_or_comes_anew_is_in_the_group_call_no_more() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ada.begins_room(true).await?;
    ben.joins_room().await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    ben.sees_of("Ada", MEDIA[0].colour).await?;
    ben.leaves_room().await?;
    ben.is_in_no_call().await?;
    let opened = ada.counts_opened().await?;

    ben.begins_conversation_with("Ada").await?;
    ben.calls(false).await?;
    ada.answers(false).await?;
    ada.lets_go_of(opened).await?;
    ben.hears(MEDIA[0]).await?;
    ada.hangs_up().await?;

    ben.is_in_no_call().await?;
    ben.presses_row("Sunday hikers").await?;
    ada.is_in_no_call().await?;
    ada.begins_room(false).await?;
    ben.joins_room().await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    ada.says_anew_who_it_is().await?;
    ben.is_in_room_with(&["You"]).await?;
    ada.is_in_no_call().await?;
    house.part().await
}

/// More than there are places: almost all of them pictures, then voices and pictures alike, then more
/// voices. An offer with 64 places is as long as one may be at most.
#[tokio::test]
async fn every_voice_has_a_place_before_pictures_and_what_has_none_is_not_asked_for_without_end()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let page = Person::at(&station, "Ada").await?;
    page.opens(server.origin()).await?;
    let script = "return (async () => {
        const [app] = document.querySelectorAll('script[src$=\"app.js\"]');
        const module = (name) => import(app.src.replace('app.js', name));
        const [{ Link }, { script }] = await Promise.all([module('link.js'), module('patch.js')]);
        const seals = new Worker(script(app.src.replace('app.js', 'sframe.js')), { type: 'module' });
        const meet = () => {
            const far = new RTCPeerConnection();
            const seen = { offers: 0, longest: 0, broken: 0, watched: [], lost: [] };
            seen.link = new Link(seals, [], {
                offer: async (sdp) => {
                    seen.offers += 1;
                    seen.longest = Math.max(seen.longest, sdp.length);
                    await far.setRemoteDescription({ type: 'offer', sdp });
                    await far.setLocalDescription();
                    seen.link.answer(far.localDescription.sdp);
                },
                watch: (wants) => { seen.watched = wants; },
                track: () => {},
                begins: () => {},
                lost: ({ kind, leaf }) => seen.lost.push(`${kind} ${leaf}`),
                connected: () => {},
                broken: () => { seen.broken += 1; },
            });
            return seen;
        };
        const all = (kind, count) => Array.from({ length: count }, (_, leaf) => ({ track: `${kind} ${leaf}`, leaf, kind, height: 180 }));
        const pause = (millis) => new Promise((done) => setTimeout(done, millis));
        const wants = async (seen, wanted) => {
            seen.link.want(wanted);
            for (let tries = 0; seen.watched.length < 64 && tries < 100; tries += 1) await pause(100);
            await pause(2000);
            const voices = seen.watched.filter(([, track]) => track.startsWith('mic')).length;
            return [voices, seen.watched.length, seen.offers < 5, seen.longest <= 65536, seen.broken];
        };
        const [pictures, both] = [meet(), meet()];
        const found = [
            await wants(pictures, [...all('camera', 70), ...all('mic', 4)]),
            await wants(both, [...all('camera', 40), ...all('mic', 40)]),
        ];
        both.link.want([...all('camera', 40), ...all('mic', 49)]);
        both.link.want(all('mic', 49).slice(1));
        const isLost = both.lost.includes('mic 0') && both.lost.includes('camera 0');
        for (const { link } of [pictures, both]) link.close();
        return [...found, both.broken > 0, isLost];
    })()";

    let found = page.driver().execute(script, vec![]).await?;

    let expected = json!([[4, 64, true, true, 0], [40, 64, true, true, 0], true, true]);
    ensure!(*found.json() == expected, "{found:?}");
    page.leaves().await
}

#[tokio::test]
async fn a_shared_screen_is_seen_beside_the_camera_until_it_is_shared_no_more() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ada.begins_room(true).await?;
    ben.joins_room().await?;
    ben.sees_of("Ada", Colour::Red).await?;

    ada.presses("[data-local='call-screen']").await?;
    ben.sees_screen_of("Ada", SCREEN).await?;
    ben.sees_of("Ada", Colour::Red).await?;
    ben.is_pictured("room-screen").await?;

    ada.presses("[data-local='call-screen'][aria-pressed='true']")
        .await?;
    ben.sees_no_screen_of("Ada").await?;
    ben.sees_of("Ada", Colour::Red).await?;
    house.part().await
}

/// RFC 9605, appendix C.1 and C.3: key ids, counters and their headers; a salt and its nonce. Before
/// pictures, and before nothing else, their mark.
#[tokio::test]
async fn frames_have_the_form_of_the_rfc_and_no_bytes_break_the_reading() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let page = Person::at(&station, "Ada").await?;
    page.opens(server.origin()).await?;
    let script = "return (async () => {
        const [app] = document.querySelectorAll('script[src$=\"app.js\"]');
        const { head, mark, markBytes, nonce, parse } = await import(app.src.replace('app.js', 'frame.js'));
        const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        const bytes = (text) => new Uint8Array(text.match(/../g).map((pair) => parseInt(pair, 16)));
        const found = [[0, 0], [0, 7], [0, 8], [7, 255], [8, 0], [255, 256], [0x0123, 0x4567]]
            .map(([kid, counter]) => hex(head(kid, counter)));
        const read = parse(bytes('990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4'));
        for (let length = 0; length < 2000; length += 1) {
            parse(crypto.getRandomValues(new Uint8Array(length % 40)));
        }
        const picture = (type) => Object.create(RTCEncodedVideoFrame.prototype, { type: { value: type } });
        const marks = [picture('key'), picture('delta'), { data: 'a voice' }].map((frame) => {
            const before = mark(frame);
            return [hex(before), markBytes(frame, new Uint8Array([...before, 0x99]))];
        });
        return [found, read, hex(nonce(bytes('84991c167b8cd23c93708ec7'), 0x4567)), marks];
    })()";

    let found = page.driver().execute(script, vec![]).await?;

    let heads = ["00", "07", "0808", "78ff", "8008", "89ff0100", "9901234567"];
    let read = json!({ "kid": 0x0123, "counter": 0x4567, "length": 5 });
    let marks = json!([["10000000000000000000", 10], ["11", 1], ["", 0]]);
    let expected = json!([heads, read, "84991c167b8cd23c9370cba0", marks]);
    ensure!(*found.json() == expected, "{found:?}");
    page.leaves().await
}
