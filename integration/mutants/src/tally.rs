//! What became of all mutants.

use std::collections::BTreeMap;
use std::fmt;

/// A mutant that is worth a look.
pub type Number = u64;

#[derive(Default)]
pub struct Tally {
    /// How many ended so, by a word and a message without its numbers; and the first few of each.
    ends: BTreeMap<(String, String), (u64, Vec<Number>)>,
    /// The slowest and the largest of each stage.
    slowest: BTreeMap<String, (u64, Number)>,
    largest: BTreeMap<String, (u64, Number)>,
    /// Mutants that took longer, or more memory, than they may.
    pub excesses: Vec<String>,
}

/// Ends that are defects of this program, whatever the reason.
const DEFECTS: [&str; 6] = ["different", "panic", "failed", "crash in index", "crash in build", "excess"];

/// Mutants named for each kind of end.
const NAMED: usize = 5;

impl Tally {
    pub fn took(&mut self, number: Number, stage: &str, microseconds: u64, bytes: u64) {
        let most = |known: &mut BTreeMap<String, (u64, Number)>, value| {
            let entry = known.entry(stage.to_owned()).or_default();
            *entry = (*entry).max((value, number));
        };
        most(&mut self.slowest, microseconds);
        most(&mut self.largest, bytes);
    }

    pub fn ended(&mut self, number: Number, word: &str, message: &str) {
        let kind = (word.to_owned(), without_numbers(message));
        let (count, numbers) = self.ends.entry(kind).or_default();
        *count += 1;
        if numbers.len() < NAMED {
            numbers.push(number);
        }
    }

    /// How many ended by each word.
    pub fn words(&self) -> BTreeMap<&str, u64> {
        let mut words: BTreeMap<&str, u64> = BTreeMap::new();
        for ((word, _), (count, _)) in &self.ends {
            *words.entry(word).or_default() += count;
        }
        words
    }

    pub fn has_defects(&self) -> bool {
        let has = |defect: &&str| self.ends.keys().any(|(word, _)| word == *defect);
        DEFECTS.iter().any(has) || !self.excesses.is_empty()
    }
}

/// The message with `#` for numbers and `_` for what it quotes, so that alike ones are counted together.
fn without_numbers(message: &str) -> String {
    let mut text = String::new();
    let mut is_quoted = false;
    for c in message.chars() {
        match c {
            '`' => {
                is_quoted = !is_quoted;
                text.push_str(if is_quoted { "`_" } else { "`" });
            }
            _ if is_quoted => {}
            '0'..='9' if text.ends_with('#') => {}
            '0'..='9' => text.push('#'),
            _ => text.push(c),
        }
    }
    text.chars().take(160).collect()
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words();
        writeln!(f, "{:>9} mutants", words.values().sum::<u64>())?;
        for (word, count) in words {
            writeln!(f, "{count:>9} {word}")?;
        }
        for (stage, (microseconds, number)) in &self.slowest {
            writeln!(f, "longest {stage}: {} ms (mutant {number})", microseconds / 1000)?;
        }
        for (stage, (bytes, number)) in &self.largest {
            writeln!(f, "most memory of {stage}: {:.1} MiB (mutant {number})", *bytes as f64 / 1_048_576.0)?;
        }
        for excess in &self.excesses {
            writeln!(f, "too much: {excess}")?;
        }
        for ((word, message), (count, numbers)) in &self.ends {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            writeln!(f, "{count:>9} {word}: {message} (such as {})", numbers.join(", "))?;
        }
        Ok(())
    }
}
