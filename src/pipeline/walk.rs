//! Walking and planning, each on a thread of its own: the one asks the file system, the other the ledger.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use crate::discover::{self, Candidate};
use crate::drs::Drs;
use crate::index::packed::Packed;
use crate::model::error::{Code, Error, Result};

use super::build::Job;
use super::decide::{Decision, Known, decide};
use super::inbox::Inbox;
use super::scan::{Origin, Scan};
use super::shard_file::{Listed, Shard};
use super::watch::{Watch, Watched, spawn};
use super::writer::{BATCH, Event};

/// How often planning looks whether walking was given up.
const TICK: Duration = Duration::from_millis(100);

/// A walk that was not begun yet.
pub(super) struct Walk {
    pub scan: Arc<Scan>,
    pub watch: Arc<Watch>,
    /// To the writer.
    pub events: SyncSender<Event>,
    /// Whether nothing else is to be found.
    pub is_stopped: Box<dyn Fn() -> bool + Send>,
}

/// What is done about all that is found.
pub(super) struct Planning {
    /// What earlier runs know, if anything is to be compared.
    pub known: Option<Known>,
    /// Takes what is to be built.
    pub build: Box<dyn Fn(Job, Vec<Packed>) + Send>,
}

/// What walking tells planning.
enum Found {
    Dataset(Box<Candidate>),
    Problem(Error),
    /// No more will be found; whether all there is was.
    End {
        is_complete: bool,
    },
}

/// The ends that walking has of its channels to planning and back.
struct ToPlanning {
    found: SyncSender<Found>,
    /// Candidates that are of no use any more. They are freed where they were made: threads that free what
    /// another makes hold that up.
    returned: Receiver<Box<Candidate>>,
}

impl Walk {
    /// Begins it, and `planning` behind it; in the end the writer is told.
    pub(super) fn start(self, planning: Planning) -> Result<()> {
        let (found, finds) = sync_channel(BATCH);
        let (done_with, returned) = channel();
        let to_planning = ToPlanning { found, returned };
        let is_lost = Arc::new(AtomicBool::new(false));
        let planner = Planner {
            scan: Arc::clone(&self.scan),
            watch: Arc::clone(&self.watch),
            events: self.events.clone(),
            planning,
            finds: Inbox::new(finds),
            done_with,
            is_walk_lost: Arc::clone(&is_lost),
        };
        spawn("plan", move || planner.run())?;
        spawn("walk", move || self.run(&to_planning, is_lost))
    }

    fn run(&self, planning: &ToPlanning, is_lost: Arc<AtomicBool>) {
        let first = self.scan.origin.paths().first().map_or(Path::new("."), PathBuf::as_path);
        let give_up = {
            let events = self.events.clone();
            move |error| {
                let _ = events.send(Event::Problem(hangs(error)));
                is_lost.store(true, Ordering::Relaxed);
            }
        };
        let watched = self.watch.begin(first, give_up);
        let walked = guarded("walking", || self.walk(planning, &watched));
        if !watched.end() {
            return;
        }
        let is_complete = walked.is_ok() && !(self.is_stopped)();
        if let Err(problem) = walked {
            let _ = self.events.send(Event::Problem(problem));
        }
        let _ = planning.found.send(Found::End { is_complete });
    }

    fn walk(&self, planning: &ToPlanning, watched: &Watched) {
        let Scan { origin, drs, .. } = &*self.scan;
        let enters = |directory: &Path| watched.comes_to(directory);
        let mut found = |candidate: Result<Candidate>| {
            if (self.is_stopped)() {
                return ControlFlow::Break(());
            }
            watched.rests();
            let found = candidate.map_or_else(Found::Problem, |it| Found::Dataset(Box::new(it)));
            let sent = planning.found.send(found);
            watched.resumes();
            planning.returned.try_iter().for_each(drop);
            if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        match origin {
            Origin::Trees(roots) => discover::walk(roots, None, drs, enters, found),
            Origin::NewInTrees(roots, since) => {
                discover::walk(roots, Some(*since), drs, enters, found);
            }
            Origin::Mapfiles(mapfiles) => discover::of_mapfiles(mapfiles, drs, enters, found),
            Origin::Shard(shard) => look_up(shard, drs, enters, &mut found),
        }
    }
}

/// Decides about all that is found, in its order.
struct Planner {
    scan: Arc<Scan>,
    watch: Arc<Watch>,
    events: SyncSender<Event>,
    planning: Planning,
    finds: Inbox<Found>,
    /// Where candidates go that are of no use any more.
    done_with: Sender<Box<Candidate>>,
    is_walk_lost: Arc<AtomicBool>,
}

impl Planner {
    fn run(mut self) {
        let events = self.events.clone();
        let give_up = move |error| {
            let _ = events.send(Event::Problem(hangs(error)));
            let _ = events.send(Event::WalkEnded { is_complete: false });
        };
        let first = self.scan.origin.paths().first().map_or(Path::new("."), PathBuf::as_path);
        let watched = self.watch.begin(first, give_up);
        let planned = guarded("planning", || self.plan(&watched));
        if !watched.end() {
            return;
        }
        let is_complete = planned.unwrap_or_else(|problem| {
            self.send(Event::Problem(problem));
            false
        });
        self.send(Event::WalkEnded { is_complete });
    }

    /// Takes all that is found. Tells whether that is all there is.
    fn plan(&mut self, watched: &Watched) -> bool {
        watched.rests();
        loop {
            let found = match self.finds.next(TICK) {
                Ok(Found::Dataset(candidate)) => Ok(candidate),
                Ok(Found::Problem(problem)) => Err(problem),
                Ok(Found::End { is_complete }) => return is_complete,
                Err(RecvTimeoutError::Timeout) if !self.is_walk_lost.load(Ordering::Relaxed) => {
                    continue;
                }
                Err(_) => return false,
            };
            let decision = found.map_or_else(Decision::Problem, |candidate| {
                watched.comes_to(&candidate.directory);
                decide(&self.scan, self.planning.known.as_ref(), candidate)
            });
            watched.rests();
            self.hand_on(decision);
        }
    }

    fn hand_on(&self, decision: Decision) {
        match decision {
            Decision::LeftOut(id) => self.send(Event::LeftOut(id)),
            Decision::Waits(id, file) => self.send(Event::Waits(id, file)),
            Decision::Same(record, candidate) => {
                self.send(Event::Unchanged(record));
                // Where the walk has ended, it is of no use any more.
                let _ = self.done_with.send(candidate);
            }
            Decision::Retracted(id) => self.send(Event::Retracted(id)),
            Decision::Problem(problem) => self.send(Event::Problem(problem)),
            Decision::Build(job, indexes) => (self.planning.build)(*job, indexes),
        }
    }

    fn send(&self, event: Event) {
        // The writer is gone only after an error that it reports itself.
        let _ = self.events.send(event);
    }
}

/// What is said of a file system that hangs.
fn hangs(error: Error) -> Error {
    let message = format!("{}, in this directory or one that it holds", error.message());
    error.with_message(message)
}

fn guarded<T>(what: &str, run: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        let message = format!("{what} made this program fail, which is a defect of it");
        Error::new(Code::Internal, message)
    })
}

/// Finds the datasets of a shard again, and no others: those are for the next walk.
fn look_up(
    shard: &Shard,
    drs: &Drs,
    enters: impl Fn(&Path),
    found: &mut dyn FnMut(Result<Candidate>) -> ControlFlow<()>,
) {
    let mut left = shard.by_id();
    discover::of_directories(shard.directories(), drs, enters, |it| match it {
        Ok(candidate) => {
            let id = candidate.dataset.instance_id();
            let is_listed = |listed: &Listed| listed.directory == candidate.directory;
            match left.get(id.as_str()) {
                Some((_, listed)) if is_listed(listed) => {
                    left.remove(id.as_str());
                    found(Ok(candidate))
                }
                _ => ControlFlow::Continue(()),
            }
        }
        problem => found(problem),
    });
    let mut vanished: Vec<(usize, &Listed)> = left.into_values().collect();
    vanished.sort_by_key(|(line, _)| *line);
    for (line, listed) in vanished {
        // After a stop, what was not come to is not gone.
        if found(Err(listed.vanished(line))).is_break() {
            return;
        }
    }
}
