//! Walking and planning, on a thread of its own.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use crate::discover::{self, Candidate};
use crate::drs::Drs;
use crate::index::packed::Packed;
use crate::model::error::{Code, Error, Result};

use super::build::Job;
use super::decide::{Decision, Known, decide};
use super::scan::{Origin, Scan};
use super::shard_file::{Listed, Shard};
use super::watch::{Watch, Watched, spawn};
use super::writer::Event;

/// A walk that was not begun yet.
pub(super) struct Walk {
    pub scan: Arc<Scan>,
    /// What earlier runs know, if anything is to be compared.
    pub known: Option<Known>,
    pub watch: Arc<Watch>,
    /// To the writer, of all that needs no building.
    pub events: SyncSender<Event>,
    /// Whether nothing else is to be found.
    pub is_stopped: Box<dyn Fn() -> bool + Send>,
    /// Takes what is to be built.
    pub build: Box<dyn Fn(Job, Vec<Packed>) + Send>,
}

impl Walk {
    /// Begins it; in the end the writer is told.
    pub(super) fn start(self) -> Result<()> {
        spawn("walk", move || self.run())
    }

    fn run(&self) {
        let first = self.scan.origin.paths().first().map_or(Path::new("."), PathBuf::as_path);
        let watched = self.watch.begin(first, give_up(self.events.clone()));
        let walked = catch_unwind(AssertUnwindSafe(|| self.walk(&watched))).map_err(|_| {
            let message = "walking made this program fail, which is a defect of it";
            Error::new(Code::Internal, message)
        });
        if !watched.end() {
            return;
        }
        let is_complete = walked.is_ok() && !(self.is_stopped)();
        if let Err(problem) = walked {
            self.send(Event::Problem(problem));
        }
        self.send(Event::WalkEnded { is_complete });
    }

    fn send(&self, event: Event) {
        // The writer is gone only after an error that it reports itself.
        let _ = self.events.send(event);
    }

    fn walk(&self, watched: &Watched) {
        let Scan { origin, drs, .. } = &*self.scan;
        let enters = |directory: &Path| watched.comes_to(directory);
        let mut found = |found: Result<Candidate>| {
            if (self.is_stopped)() {
                return ControlFlow::Break(());
            }
            let decided = |candidate| decide(&self.scan, self.known.as_ref(), candidate);
            let decision = found.map_or_else(Decision::Problem, decided);
            watched.rests();
            self.hand_on(decision);
            watched.resumes();
            ControlFlow::Continue(())
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

    fn hand_on(&self, decision: Decision) {
        match decision {
            Decision::LeftOut(id) => self.send(Event::LeftOut(id)),
            Decision::Waits(id, file) => self.send(Event::Waits(id, file)),
            Decision::Same(record) => self.send(Event::Unchanged(record)),
            Decision::Retracted(id) => self.send(Event::Retracted(id)),
            Decision::Problem(problem) => self.send(Event::Problem(problem)),
            Decision::Build(job, indexes) => (self.build)(*job, indexes),
        }
    }
}

/// What is done about a walk that hangs.
fn give_up(events: SyncSender<Event>) -> impl FnOnce(Error) + Send {
    move |error| {
        let message = format!("{}, in this directory or one that it holds", error.message());
        let _ = events.send(Event::Problem(error.with_message(message)));
        let _ = events.send(Event::WalkEnded { is_complete: false });
    }
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
