//! What a workload found, as one type for people (a table) and for programs (one JSON object). Promises that the two
//! say the same, that a figure nobody measured is absent rather than zero, and that the process fails when the server
//! did. Never measures.

use std::{process::ExitCode, time::Duration};

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{process::Usage, tally::Tally};

/// Latencies in microseconds, to three digits; longer than the hour saturates.
pub type Latencies = Histogram<u64>;

const HOUR_IN_MICROS: u64 = 3_600_000_000;

pub fn latencies() -> Latencies {
    Histogram::new_with_bounds(1, HOUR_IN_MICROS, 3).expect("one microsecond to one hour is a valid range")
}

pub fn record(latencies: &mut Latencies, took: Duration) {
    latencies.saturating_record(u64::try_from(took.as_micros()).unwrap_or(HOUR_IN_MICROS).max(1));
}

/// One workload, run against one server or the same way against several.
#[derive(Debug, Serialize)]
pub struct Report {
    pub workload: &'static str,
    pub runs: Vec<Run>,
    /// Each figure of each later run divided by the first run's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ratios: Vec<Map<String, Value>>,
}

/// One run. The figures beside the fixed ones are named with their unit.
#[derive(Debug, Serialize)]
pub struct Run {
    pub server: String,
    pub seconds: f64,
    pub ops: u64,
    /// Of workloads that go as fast as the server answers; elsewhere it would measure the pauses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops_per_second: Option<f64>,
    pub errors: u64,
    pub wrong: u64,
    pub lost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Percentiles>,
    #[serde(flatten)]
    figures: Figures,
    /// What stands above its column, when the server says too little or too much.
    #[serde(skip)]
    heading: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Named numbers in the order they were found, which is the order a reader wants.
#[derive(Debug, Default)]
struct Figures(Vec<(String, Value)>);

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Percentiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    pub mean: f64,
}

impl Percentiles {
    /// None when nothing was recorded.
    pub fn of(latencies: &Latencies) -> Option<Self> {
        let at = |quantile| latencies.value_at_quantile(quantile);
        (!latencies.is_empty()).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: latencies.max(),
            mean: rounded(latencies.mean()),
        })
    }
}

impl Run {
    /// `usage` covers exactly the phase in which `ops` happened.
    pub fn new(server: &str, ops: u64, usage: &Usage, tally: &Tally) -> Self {
        let seconds = usage.elapsed.as_secs_f64();
        let (errors, wrong, lost) = tally.failures();
        let mut run = Self {
            server: server.to_owned(),
            seconds: rounded(seconds),
            ops,
            ops_per_second: None,
            errors,
            wrong,
            lost,
            latency_us: None,
            figures: Figures::default(),
            heading: None,
            notes: tally.notes(),
        };
        if let Some(cpu) = usage.cpu {
            run.figure("server_cpu_seconds", cpu.as_secs_f64());
            if ops > 0 {
                run.figure("server_cpu_us_per_op", cpu.as_secs_f64() * 1e6 / ops as f64);
            }
        }
        if let Some(cpu) = usage.own_cpu {
            run.figure("bench_cpu_seconds", cpu.as_secs_f64());
        }
        run.maybe("server_rss_bytes_before", usage.resident_before);
        run.maybe("server_rss_bytes_after", usage.resident_after);
        for (status, count) in tally.refusals() {
            run.count(&format!("errors_{status}"), count);
        }
        run
    }

    pub fn with_rate(mut self) -> Self {
        self.ops_per_second = Some(rounded(per(self.ops as f64, self.seconds)));
        self
    }

    pub fn headed(mut self, heading: String) -> Self {
        self.heading = Some(heading);
        self
    }

    pub fn with_latencies(mut self, latencies: &Latencies) -> Self {
        self.latency_us = Percentiles::of(latencies);
        self
    }

    pub fn figure(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.figures.0.push((name.to_owned(), rounded(value).into()));
        }
    }

    pub fn count(&mut self, name: &str, value: u64) {
        self.figures.0.push((name.to_owned(), value.into()));
    }

    pub fn maybe(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.count(name, value);
        }
    }

    pub fn percentiles(&mut self, name: &str, latencies: &Latencies) {
        if let Some(percentiles) = Percentiles::of(latencies) {
            self.count(&format!("{name}_p50_us"), percentiles.p50);
            self.count(&format!("{name}_p99_us"), percentiles.p99);
            self.count(&format!("{name}_max_us"), percentiles.max);
        }
    }

    fn failed(&self) -> bool {
        self.errors + self.wrong + self.lost > 0
    }

    /// Everything that was measured, by name, in the order it is shown.
    fn values(&self) -> Vec<(String, f64)> {
        let mut values = vec![
            ("seconds".to_owned(), self.seconds),
            ("ops".to_owned(), self.ops as f64),
            ("errors".to_owned(), self.errors as f64),
            ("wrong".to_owned(), self.wrong as f64),
            ("lost".to_owned(), self.lost as f64),
        ];
        values.extend(self.ops_per_second.map(|rate| ("ops_per_second".to_owned(), rate)));
        if let Some(latency) = &self.latency_us {
            let named = [
                ("p50", latency.p50),
                ("p90", latency.p90),
                ("p99", latency.p99),
                ("p999", latency.p999),
                ("max", latency.max),
            ];
            values.extend(named.map(|(name, value)| (format!("latency_{name}_us"), value as f64)));
        }
        values.extend(self.figures.0.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))));
        values
    }
}

impl Report {
    pub fn new(workload: &'static str, runs: Vec<Run>) -> Self {
        let ratios = runs.split_first().map(|(first, rest)| rest.iter().map(|run| ratios(first, run)).collect());
        Self { workload, runs, ratios: ratios.unwrap_or_default() }
    }

    /// Runs that are not to be compared.
    pub fn apart(workload: &'static str, runs: Vec<Run>) -> Self {
        Self { workload, runs, ratios: Vec::new() }
    }

    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!("{}", self.table());
        for run in &self.runs {
            for note in &run.notes {
                println!("{}: {note}", run.server);
            }
        }
        Ok(())
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.runs.iter().any(Run::failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut header = vec![self.workload.to_owned()];
        header.extend(self.runs.iter().map(|run| run.heading.as_ref().unwrap_or(&run.server).clone()));
        header.extend((2..2 + self.ratios.len()).map(|number| format!("{number} to 1")));
        table.set_header(header);
        let columns: Vec<Vec<(String, f64)>> = self.runs.iter().map(Run::values).collect();
        let Some(first) = columns.first() else { return table };
        let later = columns.iter().skip(1).flatten().map(|(name, _)| name);
        let mut names: Vec<&String> = first.iter().map(|(name, _)| name).collect();
        for name in later {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            let value =
                |column: &Vec<(String, f64)>| column.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
            let mut row = vec![name.clone()];
            row.extend(columns.iter().map(|column| value(column).map_or_else(String::new, |value| shown(name, value))));
            row.extend(self.ratios.iter().map(|ratios| {
                ratios.get(name).and_then(Value::as_f64).map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            }));
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn ratios(first: &Run, run: &Run) -> Map<String, Value> {
    let base = first.values();
    run.values()
        .into_iter()
        .filter_map(|(name, value)| {
            let (_, base) = base.iter().find(|(known, _)| *known == name)?;
            (*base != 0.0).then(|| (name, rounded(value / base).into()))
        })
        .collect()
}

/// For people: the unit after the number, in a size that can be read; the name keeps telling what it is.
fn shown(name: &str, value: f64) -> String {
    if name.ends_with("_us") {
        return match value {
            v if v >= 1e6 => format!("{:.2} s", v / 1e6),
            v if v >= 1e3 => format!("{:.2} ms", v / 1e3),
            v => format!("{v:.0} µs"),
        };
    }
    if name.contains("bytes") {
        return match value.abs() {
            v if v >= 10_485_760.0 => format!("{:.1} MiB", value / 1_048_576.0),
            v if v >= 10_240.0 => format!("{:.1} KiB", value / 1024.0),
            _ => format!("{value:.0} B"),
        };
    }
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

pub fn per(amount: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { amount / divisor } else { 0.0 }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ops: u64, cpu_ms: Option<u64>, tally: &Tally) -> Run {
        let usage = Usage {
            elapsed: Duration::from_secs(2),
            cpu: cpu_ms.map(Duration::from_millis),
            own_cpu: None,
            resident_before: None,
            resident_after: None,
        };
        Run::new("a:1", ops, &usage, tally)
    }

    #[test]
    fn rates_and_costs_are_per_operation() {
        let json = serde_json::to_value(run(1000, Some(50), &Tally::default()).with_rate()).unwrap();
        assert_eq!(json["ops_per_second"], 500.0);
        assert_eq!(json["server_cpu_us_per_op"], 50.0);
        assert!(json.get("server_rss_bytes_before").is_none());
        assert!(json.get("latency_us").is_none());
    }

    #[test]
    fn no_operation_has_no_cost() {
        let json = serde_json::to_value(run(0, Some(50), &Tally::default())).unwrap();
        assert!(json.get("ops_per_second").is_none());
        assert!(json.get("server_cpu_us_per_op").is_none());
    }

    #[test]
    fn percentiles_come_from_what_was_recorded() {
        let mut all = latencies();
        assert!(Percentiles::of(&all).is_none());
        for micros in 1..=1000 {
            record(&mut all, Duration::from_micros(micros));
        }
        let found = Percentiles::of(&all).unwrap();
        assert_eq!((found.p50, found.p90, found.max), (500, 900, 1000));
    }

    #[test]
    fn later_runs_are_compared_with_the_first() {
        let tally = Tally::default();
        let report = Report::new("storm", vec![run(1000, Some(50), &tally), run(500, Some(100), &tally)]);
        assert_eq!(report.ratios[0]["ops"], 0.5);
        assert_eq!(report.ratios[0]["server_cpu_us_per_op"], 4.0);
        assert!(report.ratios[0].get("errors").is_none());
        assert_eq!(report.exit_code(), ExitCode::SUCCESS);
    }

    #[test]
    fn any_failure_fails_the_process() {
        let tally = Tally::default();
        tally.lost("push 3");
        assert_eq!(Report::new("push", vec![run(1, None, &tally)]).exit_code(), ExitCode::FAILURE);
    }

    #[test]
    fn numbers_are_shown_with_their_unit() {
        assert_eq!(shown("latency_p50_us", 1500.0), "1.50 ms");
        assert_eq!(shown("pushed_bytes", 20480.0), "20.0 KiB");
        assert_eq!(shown("ops", 7.0), "7");
    }
}
