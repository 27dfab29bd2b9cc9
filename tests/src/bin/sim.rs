//! `cargo xtask sim --seeds N --from S [--regressions] [--trace] [--threads T]`: plays N stories,
//! and before them, if asked, those that went wrong once; judges them.
//!
//! The last line of output is the result; the exit code is 1 if any story went wrong, or if nothing
//! was delivered in all of them.

use anyhow::{Result, bail};
use roost_tests::sim::{self, Verdict};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

#[derive(Debug, Clone, Copy)]
struct Options {
    seeds: u64,
    from: u64,
    regressions: bool,
    threads: u64,
    trace: bool,
}

impl Options {
    /// The seeds to be played.
    fn stories(self) -> impl Iterator<Item = u64> + Send {
        let known = sim::REGRESSIONS
            .into_iter()
            .filter(move |_| self.regressions);
        known.chain(self.from..self.from.saturating_add(self.seeds))
    }
}

#[derive(Default)]
struct Total {
    played: u64,
    delivered: u64,
    lost: usize,
    doubled: usize,
    unexplained: usize,
    failing: Vec<u64>,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Ok(options) => run(options),
        Err(error) => {
            eprintln!(
                "{error}\nusage: sim [--seeds N] [--from S] [--regressions] [--threads T] [--trace]"
            );
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options {
        seeds: 100,
        from: 1,
        regressions: false,
        threads: 2,
        trace: false,
    };
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64> {
            let Some(value) = arguments.next() else {
                bail!("{argument} needs a number");
            };
            Ok(value.parse()?)
        };
        match argument.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.from = number()?,
            "--threads" => options.threads = number()?,
            "--regressions" => options.regressions = true,
            "--trace" => options.trace = true,
            _ => bail!("{argument} is not known"),
        }
    }
    Ok(options)
}

fn run(options: Options) -> ExitCode {
    std::panic::set_hook(Box::new(move |panic| {
        if options.trace {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    let stories = Mutex::new(options.stories());
    let total = Mutex::new(Total::default());
    thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| work(options, &stories, &total));
        }
    });
    let mut total = total
        .into_inner()
        .expect("no worker panics: stories are caught");
    total.failing.sort_unstable();
    if !total.failing.is_empty() {
        println!("failing seeds: {:?}", total.failing);
    }
    println!(
        "sim seeds={} delivered={} lost={} doubled={} unexplained={}",
        total.played, total.delivered, total.lost, total.doubled, total.unexplained
    );
    let is_good = total.failing.is_empty() && total.delivered > 0;
    ExitCode::from(u8::from(!is_good))
}

fn work(options: Options, stories: &Mutex<impl Iterator<Item = u64>>, total: &Mutex<Total>) {
    loop {
        let next = stories.lock().expect("no worker panics here").next();
        let Some(seed) = next else { return };
        let verdict = sim::play(seed, options.trace);
        report(seed, &verdict);
        let mut total = total.lock().expect("no worker panics while it counts");
        total.played += 1;
        total.delivered += verdict.delivered;
        total.lost += verdict.lost.len();
        total.doubled += verdict.doubled.len();
        total.unexplained += verdict.unexplained.len();
        if !verdict.is_good() {
            total.failing.push(seed);
        }
    }
}

fn report(seed: u64, verdict: &Verdict) {
    for line in &verdict.trace {
        println!("{line}");
    }
    for complaint in verdict.complaints() {
        println!("seed {seed}: {complaint}");
    }
}
