//! Makes very many damaged copies of small NetCDF files, and asks of each: is it indexed or refused within the
//! limits of time and memory, and if there is a store, does it return what libnetcdf returns?
//!
//! Exits with 1 where the answer is no. Libraries that read a damaged file may crash, so processes of their own
//! look at the mutants, and one that dies is replaced by another that goes on behind the mutant it died of.

mod examination;
mod memory;
mod mutation;
mod tally;

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use clap::Parser;

use examination::{Place, Progress};
use memory::Counting;
use mutation::{Original, mutant};
use tally::Tally;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most time that indexing may take.
const MOST_TIME: u64 = 1_000_000;
/// Most bytes that indexing may hold, beside four times the size of the file.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;
/// The same of building: four million times are held as they are stored, as numbers and as dates.
const MOST_MEMORY_OF_BUILDING: u64 = 2 * MOST_MEMORY;
/// Mutants for one process, after which whatever libraries leaked goes with it.
const BATCH: u64 = 1000;
/// A process that is silent for so long hangs.
const HANGS: Duration = Duration::from_secs(30);
/// Kilobytes that a process may take, libnetcdf included.
const ADDRESS_SPACE: u64 = 4 * 1024 * 1024;

#[derive(Parser)]
struct Arguments {
    /// NetCDF files, or directories of such.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// How many mutants.
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// Where chance begins: the same seed makes the same mutants of the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Processes at once.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Passes by files that are larger.
    #[arg(long, default_value_t = 262_144)]
    largest: u64,
    /// Writes this mutant to the file `mutant.nc`, and does nothing else.
    #[arg(long)]
    write: Option<u64>,
    /// What the processes are told: the first mutant, and the one to stop before.
    #[arg(long, hide = true, num_args = 2)]
    range: Option<Vec<u64>>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let originals = originals(&arguments.paths, arguments.largest)?;
    if let Some(number) = arguments.write {
        let (original, bytes) = mutant(&originals, arguments.seed, number);
        println!("mutant {number} is of {}", original.name);
        fs::write("mutant.nc", bytes)?;
        return Ok(true);
    }
    if let Some(range) = &arguments.range {
        examine(&originals, arguments.seed, range[0]..range[1])?;
        return Ok(true);
    }
    println!("{} files", originals.len());
    let tally = examine_all(arguments, &originals);
    println!("{tally}");
    Ok(!tally.has_defects())
}

/// The files at `paths`, and in the directories there, that are no larger than may be.
fn originals(paths: &[PathBuf], largest: u64) -> Result<Vec<Original>, Box<dyn Error>> {
    let mut originals = Vec::new();
    for path in paths {
        let mut files = Vec::new();
        collect(path, &mut files)?;
        files.sort();
        for file in files {
            if fs::metadata(&file)?.len() <= largest {
                originals.push(Original::new(file.display().to_string(), fs::read(&file)?));
            }
        }
    }
    if originals.is_empty() {
        return Err("there are no files to make mutants of".into());
    }
    Ok(originals)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// Lines for the process that started this one.
struct Told(u64);

impl Progress for Told {
    fn begins(&mut self, stage: &str) {
        tell(&format!("begins\t{}\t{stage}", self.0));
    }

    fn took(&mut self, stage: &str, microseconds: u128, bytes: usize) {
        tell(&format!("took\t{}\t{stage}\t{microseconds}\t{bytes}", self.0));
    }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not listen any more has ended.
    _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn examine(originals: &[Original], seed: u64, range: std::ops::Range<u64>) -> Result<(), Box<dyn Error>> {
    std::panic::set_hook(Box::new(|panic| {
        tell(&format!("panic\t{}", panic.to_string().replace(['\n', '\t'], " ")));
    }));
    let top = tempfile::tempdir()?;
    let place = Place::new(top.path())?;
    for number in range {
        let (_, bytes) = mutant(originals, seed, number);
        let (word, message) = place.examine(bytes, &mut Told(number));
        tell(&format!("ended\t{number}\t{word}\t{}", message.escape_debug()));
    }
    Ok(())
}

/// Shares the mutants out to processes.
fn examine_all(arguments: &Arguments, originals: &[Original]) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicU64::new(0);
    thread::scope(|threads| {
        for _ in 0..arguments.jobs.max(1) {
            threads.spawn(|| {
                loop {
                    let from = next.fetch_add(BATCH, Ordering::Relaxed);
                    if from >= arguments.count {
                        break;
                    }
                    let batch = Batch { arguments, originals, tally: &tally };
                    batch.examine(from, arguments.count.min(from + BATCH));
                }
            });
        }
    });
    tally.into_inner().unwrap_or_default()
}

#[derive(Clone, Copy)]
struct Batch<'a> {
    arguments: &'a Arguments,
    originals: &'a [Original],
    tally: &'a Mutex<Tally>,
}

impl Batch<'_> {
    fn examine(self, mut from: u64, to: u64) {
        while from < to {
            from = self.examine_until_death(from, to);
        }
        if to.is_multiple_of(10_000)
            && let Ok(tally) = self.tally.lock()
        {
            eprintln!("about {to} mutants: {:?}", tally.words());
        }
    }

    /// Starts a process, and returns the mutant that the next one is to go on with.
    fn examine_until_death(self, from: u64, to: u64) -> u64 {
        let Ok(mut child) = self.start(from, to) else { return to };
        let lines = lines(&mut child);
        let (mut at, mut stage, mut panic) = (from, String::from("start"), String::new());
        let death = loop {
            let Ok(line) = lines.recv_timeout(HANGS) else {
                // A process whose output has ended has ended, or will.
                let is_over = matches!(lines.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
                break if is_over { "crash" } else { "hang" };
            };
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["begins", number, name] => {
                    at = number.parse().unwrap_or(at);
                    stage = name.to_owned();
                }
                ["took", _, name, time, bytes] => self.took(at, name, time, bytes),
                ["panic", message] => panic = message.to_owned(),
                ["ended", _, word, message] => {
                    let message = if panic.is_empty() { message.to_owned() } else { format!("{message} {panic}") };
                    self.ended(at, word, &message);
                    panic.clear();
                    at += 1;
                    stage = "start".to_owned();
                }
                _ => {}
            }
        };
        _ = child.kill();
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        if at >= to {
            return to;
        }
        // A library may have spoilt the memory of its process with an earlier one: it is judged by itself.
        if at > from && stage != "compare" {
            return at;
        }
        self.ended(at, &format!("{death} in {stage}"), &status);
        at + 1
    }

    fn start(self, from: u64, to: u64) -> std::io::Result<Child> {
        let program = std::env::current_exe()?;
        let Arguments { paths, seed, largest, .. } = self.arguments;
        let limits = format!("ulimit -c 0; ulimit -v {ADDRESS_SPACE}; exec \"$@\"");
        Command::new("/bin/sh")
            .args(["-c", &limits, "sh"])
            .arg(program)
            .args(["--seed", &seed.to_string(), "--largest", &largest.to_string()])
            .args(["--range", &from.to_string(), &to.to_string(), "--"])
            .args(paths)
            .env("HDF5_USE_FILE_LOCKING", "FALSE")
            .env("RAYON_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }

    fn took(self, number: u64, stage: &str, time: &str, bytes: &str) {
        let (time, bytes) = (time.parse().unwrap_or(0), bytes.parse().unwrap_or(0));
        let Ok(mut tally) = self.tally.lock() else { return };
        tally.took(number, stage, time, bytes);
        let is_slow = stage == "index" && time > MOST_TIME;
        let most = if stage == "index" { MOST_MEMORY } else { MOST_MEMORY_OF_BUILDING };
        if !is_slow && bytes <= most {
            return;
        }
        let (original, copy) = mutant(self.originals, self.arguments.seed, number);
        if is_slow || bytes > most + 4 * copy.len() as u64 {
            let name = &original.name;
            tally.excesses.push(format!("{stage} of mutant {number} of {name}: {time} us, {bytes} bytes"));
        }
    }

    fn ended(self, number: u64, word: &str, message: &str) {
        if let Ok(mut tally) = self.tally.lock() {
            tally.ended(number, word, message);
        }
    }
}

/// What a process says, line by line.
fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}
