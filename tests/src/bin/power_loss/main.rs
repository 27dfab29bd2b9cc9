//! The power-loss simulation: what was acknowledged is on the disk, however the power goes.
//!
//! A workload runs under a shim that records its writes and syncs (`tests/shim/record.c`). From
//! the record the disk is rebuilt as a power cut could have left it at many moments: what was not
//! synced is there, gone, or there in part. Each such disk is opened by the real engine, which
//! must show every acknowledged commit and no half of any other.
//!
//! `power_loss [--cuts N] [--commits N] [--seed S] [--plant no-fdatasync]`; the last line is
//! `power-loss cuts=N acknowledged=M lost=L`, and the exit code is 0 only if nothing was lost.

mod dice;
mod disk;
mod trace;
mod verdict;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};

use self::dice::Dice;
use self::disk::Disk;
use self::trace::{Event, Trace};
use self::verdict::{Verdict, examine};
use self::workload::{ACKS, Acknowledged, Plant};

const SHIM: &str = include_str!("../../../shim/record.c");

struct Arguments {
    cuts: usize,
    commits: u64,
    seed: u64,
    plant: Option<Plant>,
    /// Given only to the recorded process: where to work.
    workload: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    if let Some(folder) = &arguments.workload {
        workload::run(folder, arguments.commits, arguments.plant)?;
        return Ok(ExitCode::SUCCESS);
    }
    simulate(&arguments)
}

fn simulate(arguments: &Arguments) -> Result<ExitCode> {
    let scratch = tempfile::tempdir().context("making a folder to work in")?;
    let scratch_path = scratch.path().canonicalize()?;
    let root = scratch_path.join("recorded");
    let bytes = record(&scratch_path, &root, arguments)?;
    let trace = Trace::read(&bytes)?;
    let acks_path = root.join(ACKS);
    let cuts = choose_cuts(&trace, &acks_path, arguments)?;
    println!(
        "recorded {} events, {} bytes",
        trace.events().len(),
        bytes.len()
    );

    let mut tally = Tally::default();
    let mut dice = Dice::new(arguments.seed);
    let mut disk = Disk::default();
    let mut acknowledged = Acknowledged::default();
    for (index, event) in trace.events().iter().enumerate() {
        match event {
            Event::Write { inode, data, .. } if disk.is_at(*inode, &acks_path) => {
                acknowledged.note(data)?;
            }
            event => disk.apply(event),
        }
        if cuts.contains(&index) {
            let rebuilt = scratch_path.join("rebuilt");
            rebuild(&disk.after_a_cut(&mut dice), &root, &rebuilt)?;
            tally.count(index, &acknowledged, &examine(&rebuilt, &acknowledged));
        }
    }
    tally.report()
}

/// Runs the workload under the shim and returns what it recorded.
fn record(scratch: &Path, root: &Path, arguments: &Arguments) -> Result<Vec<u8>> {
    let (source, shim) = (scratch.join("record.c"), scratch.join("record.so"));
    let trace = scratch.join("trace");
    fs::create_dir(root)?;
    fs::write(&source, SHIM)?;
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&shim, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .context("cc is needed to compile the shim")?;
    ensure!(compiled.success(), "the shim does not compile");

    let mut workload = Command::new(std::env::current_exe()?);
    workload.arg("--workload").arg(root);
    workload.args(["--commits", &arguments.commits.to_string()]);
    if arguments.plant.is_some() {
        workload.args(["--plant", Plant::NAME]);
    }
    workload
        .env("LD_PRELOAD", &shim)
        .env("SHIM_ROOT", root)
        .env("SHIM_TRACE", &trace);
    ensure!(workload.status()?.success(), "the workload failed");
    fs::read(&trace).context("the shim has recorded nothing")
}

/// Most cuts fall right behind an acknowledgement, where there is most to lose; some anywhere; some
/// where the store is being made.
fn choose_cuts(trace: &Trace<'_>, acks: &Path, arguments: &Arguments) -> Result<BTreeSet<usize>> {
    let inodes: BTreeSet<u64> = trace
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::OpenFile { inode, path } if *path == acks => Some(*inode),
            _ => None,
        })
        .collect();
    let is_ack =
        |event: &Event<'_>| matches!(event, Event::Write { inode, .. } if inodes.contains(inode));
    let after_acks: Vec<usize> = (0..)
        .zip(trace.events())
        .filter_map(|(index, event)| is_ack(event).then_some(index))
        .collect();
    let first = *after_acks
        .first()
        .context("the workload has acknowledged nothing")?;

    let mut dice = Dice::new(arguments.seed ^ 0x0c07);
    let mut cuts = BTreeSet::new();
    let all = trace.events().len();
    ensure!(
        arguments.cuts <= all / 2,
        "there are only {all} moments to cut at"
    );
    while cuts.len() < arguments.cuts {
        let cut = match dice.below(10) {
            0 => dice.below(first),
            1..=3 => first + dice.below(all - first),
            _ => *after_acks
                .get(dice.below(after_acks.len()))
                .context("dice beyond the list")?,
        };
        cuts.insert(cut);
    }
    Ok(cuts)
}

/// Writes the files that survived to a folder of their own.
fn rebuild(files: &BTreeMap<PathBuf, Vec<u8>>, root: &Path, rebuilt: &Path) -> Result<()> {
    if rebuilt.exists() {
        fs::remove_dir_all(rebuilt)?;
    }
    fs::create_dir(rebuilt)?;
    for (path, bytes) in files {
        let place = rebuilt.join(path.strip_prefix(root)?);
        fs::create_dir_all(place.parent().context("a file has a folder")?)?;
        fs::write(place, bytes)?;
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    cuts: usize,
    acknowledged: u64,
    lost: u64,
}

impl Tally {
    fn count(&mut self, cut: usize, acknowledged: &Acknowledged, verdict: &Verdict) {
        self.cuts += 1;
        self.acknowledged += acknowledged.total();
        self.lost += verdict.lost;
        for note in verdict.notes.iter().take(3) {
            println!("cut behind event {cut}: {note}");
        }
    }

    fn report(&self) -> Result<ExitCode> {
        ensure!(
            self.acknowledged > 0,
            "no cut had anything to lose: this proves nothing"
        );
        let Self {
            cuts,
            acknowledged,
            lost,
        } = self;
        println!("power-loss cuts={cuts} acknowledged={acknowledged} lost={lost}");
        Ok(if *lost == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self {
            cuts: 60,
            commits: 3_000,
            seed: 1,
            plant: None,
            workload: None,
        };
        while let Some(name) = given.next() {
            let value = given
                .next()
                .with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--cuts" => arguments.cuts = value.parse()?,
                "--commits" => arguments.commits = value.parse()?,
                "--seed" => arguments.seed = value.parse()?,
                "--plant" if value == Plant::NAME => arguments.plant = Some(Plant::NoFdatasync),
                "--workload" => arguments.workload = Some(value.into()),
                _ => bail!("what is {name} {value}?"),
            }
        }
        Ok(arguments)
    }
}
