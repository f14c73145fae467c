//! History, on a real PostgreSQL with rows in its tables: real Liquibase accepts the repository after every addition,
//! change, removal and upgrade, the rows survive, and every step can be taken back. No command rewrites a changeset.
//! Budget: 4 minutes on 2 cores, nearly all of it starts of Liquibase.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::support;
use crate::support::Place;
use crate::support::generated::is_asked_for;
use crate::support::postgres::{Postgres, liquibase};
use crate::support::repository::Repo;
use appgen::cli::Cli;
use appgen::commands::run_with;
use appgen::templates::{Sets, TemplateSet};
use clap::Parser as _;

/// A repository, and a database that has run its changesets.
struct Lived {
    repo: Repo,
    postgres: Postgres,
    program: PathBuf,
    /// Whether appgen was replaced by one with later templates.
    later: bool,
    /// What the database looked like after each step that added changesets.
    states: Vec<State>,
}

struct State {
    step: String,
    changesets: usize,
    schema: String,
}

const DATABASE: &str = "lived";

/// Everything about the tables that a changeset can bring about; the order of columns is not.
const SCHEMA: &str = "
    with tables as (
        select oid, relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not like 'databasechangelog%'
    )
    select 'table ' || relname || ' ' || coalesce(obj_description(oid), '') from tables
    union all
    select concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod),
        case when attnotnull then 'not null' end, attidentity::text, pg_get_expr(adbin, adrelid),
        col_description(attrelid, attnum))
    from tables join pg_attribute on attrelid = tables.oid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum where attnum > 0 and not attisdropped
    union all
    select concat_ws(' ', 'constraint', relname, conname, pg_get_constraintdef(pg_constraint.oid))
    from tables join pg_constraint on conrelid = tables.oid where contype <> 'n'
    union all
    select indexdef from tables join pg_indexes on tablename = relname
    order by 1";

impl Lived {
    fn start(what: &str) -> Option<Self> {
        let program = support::tool("liquibase", what)?;
        let postgres = Postgres::start(what)?;
        postgres.sql("postgres", &format!("create database {DATABASE}"));
        Some(Self { repo: Repo::new(), postgres, program, later: false, states: Vec::new() })
    }

    fn liquibase(&self, arguments: &[&str]) -> String {
        liquibase(&self.program, &self.repo.root(), &self.postgres, DATABASE, arguments)
    }

    fn sql(&self, sql: &str) -> String {
        self.postgres.sql(DATABASE, sql).trim_end().to_owned()
    }

    /// Every changeset on disk.
    fn changesets(&self) -> BTreeMap<String, String> {
        let mut files = self.repo.files();
        files.retain(|path, _| path.starts_with("db/changelog/") && path.ends_with(".sql"));
        files
    }

    fn appgen(&self, line: &str) -> (u8, String) {
        let root = self.repo.root().display().to_string();
        let arguments = ["appgen", "-C", &root].into_iter().chain(line.split(' '));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_with(Cli::parse_from(arguments), Ok(sets(self.later)), &mut out, &mut err);
        (code, String::from_utf8_lossy(&[out, err].concat()).into_owned())
    }

    /// Runs a command, which leaves every changeset as it is, and Liquibase, which accepts the result.
    #[track_caller]
    fn step(&mut self, line: &str) {
        let before = self.changesets();
        let (code, said) = self.appgen(line);
        assert_eq!(code, 0, "{line}: {said}");
        let after = self.changesets();
        for (path, text) in &before {
            assert_eq!(after.get(path), Some(text), "{line} rewrote {path}");
        }
        let (code, said) = self.appgen("check");
        assert_eq!(code, 0, "{line}: {said}");
        self.update(line);
    }

    /// Liquibase checks the sum of every changeset that it ran before it runs another.
    #[track_caller]
    fn update(&mut self, step: &str) {
        self.liquibase(&["update", "--contexts=verify,testdata"]);
        let changesets = self.sql("select count(*) from databasechangelog").parse().unwrap();
        assert_eq!(changesets, self.changesets().len(), "{step}: not every changeset was run");
        if self.states.last().is_none_or(|state| state.changesets != changesets) {
            self.states.push(State { step: step.to_owned(), changesets, schema: self.sql(SCHEMA) });
        }
    }

    /// Edits the fields of an entity in `appgen.yaml` and applies it; what may lose something needs saying.
    #[track_caller]
    fn change(&mut self, entity: &str, fields: &[(&str, &str)], loses: bool) {
        let before = self.repo.read("appgen.yaml");
        let text = fields.iter().fold(before, |text, (name, value)| set_field(&text, entity, name, value));
        self.repo.write("appgen.yaml", &text);
        let line = if loses { "sync --allow-destructive" } else { "sync" };
        if loses {
            let (code, said) = self.appgen("sync");
            assert_eq!(code, 5, "{said}");
            assert!(said.contains("--allow-destructive"), "{said}");
        }
        self.step(line);
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        if let Some(state) = self.states.last_mut() {
            state.step = format!("{line}: {}", names.join(", "));
        }
    }

    /// Takes steps back, one after the other, until so many are left. The schema is what it was before each.
    fn back_to(&mut self, steps: usize) {
        while self.states.len() > steps {
            let undone = self.states.pop().unwrap();
            let (left, schema) = self.states.last().map_or((0, ""), |state| (state.changesets, &state.schema));
            self.liquibase(&["rollback-count", &(undone.changesets - left).to_string()]);
            let now = self.sql(SCHEMA);
            assert_eq!(without_nullability(&now), without_nullability(schema), "{} was taken back", undone.step);
        }
    }
}

/// A column that was dropped comes back empty, and therefore nullable.
fn without_nullability(schema: &str) -> String {
    let mut lines: Vec<_> = schema.lines().map(str::to_owned).collect();
    for line in &mut lines {
        if line.starts_with("column invoices paid ") {
            *line = line.replace(" not null", "");
        }
    }
    lines.join("\n")
}

/// The sets of this appgen, or of a later one that holds this one's frozen.
fn sets(later: bool) -> Sets {
    let embedded = TemplateSet::embedded().unwrap();
    if !later {
        return Sets::new(embedded, BTreeMap::new());
    }
    let later = support::changed_set(&[
        (
            "changeset/db/changelog/changes/__changeset__.sql.j2",
            "--changeset",
            "-- In the words of a later set.\n--changeset",
        ),
        (
            "changeset/db/changelog/changes/__changeset__.sql.j2",
            "bigint not null default 1",
            "bigint default 1 not null",
        ),
        ("service/db/changelog/db.changelog-root.yaml.j2", "databaseChangeLog:", "# Later.\ndatabaseChangeLog:"),
    ]);
    let frozen = (embedded.version(), Cow::Owned(embedded.to_archive().unwrap()));
    Sets::new(later, BTreeMap::from([frozen]))
}

/// `appgen.yaml` with one field of an entity set to a value in flow style, or removed where that is empty.
fn set_field(text: &str, entity: &str, field: &str, value: &str) -> String {
    let (head, entities) = text.split_once("\nentities:\n").unwrap();
    let start = entities.find(&format!("  {entity}:\n")).unwrap();
    let fields = start + entities[start..].find("    fields:\n").unwrap() + "    fields:\n".len();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let size =
        entities[fields..].split_inclusive('\n').take_while(|line| depth(line) >= 6).map(str::len).sum::<usize>();
    let mut kept = String::new();
    let mut inside = false;
    for line in entities[fields..fields + size].split_inclusive('\n') {
        inside = if depth(line) == 6 { line.trim_start().starts_with(&format!("{field}:")) } else { inside };
        if !inside {
            kept.push_str(line);
        }
    }
    if !value.is_empty() {
        kept += &format!("      {field}: {value}\n");
    }
    format!("{head}\nentities:\n{}{kept}{}", &entities[..fields], &entities[fields + size..])
}

#[test]
fn a_database_with_rows_follows_every_step_and_goes_back() {
    let what = "a database that lives through history";
    if !is_asked_for(what) {
        return;
    }
    let Some(mut lived) = Lived::start(what) else { return };
    lived.update("new");
    lived.sql("insert into countries (code, name) values ('IT', 'Italy')");

    // Additions.
    lived.step("add-entity customer name:text(50)! email:text^");
    lived.step(
        "add-entity invoice number:text(20)!^ customer:ref(customer)! state:enum(open,closed)! small:smallint \
         count:integer! total:bigint paid:boolean! due:date! seen:timestamp key:uuid^ raw:json amount:decimal(12,2)! \
         note:text",
    );
    lived.sql("insert into customers (name, email) values ('Ada', 'ada@example.com'), ('Bob', null)");
    lived.sql(
        "insert into invoices (number, customer, state, small, count, total, paid, due, seen, raw, amount, note) values
         ('A-1', 1, 'open', 7, 2147483647, 5, true, '2026-01-31', '2026-01-31T12:30:00Z', '{\"a\": 1}', 10.50, 'open'),
         ('A-2', 2, 'closed', -3, 2, null, false, '2026-02-28', null, null, 0.01, 'closed')",
    );
    let added = lived.states.len();

    // Changes: each kind, on tables that have rows.
    lived.change("invoice", &[("memo", "{ type: text, description: \"it's; --rollback 'x'\" }")], false);
    lived.change(
        "invoice",
        &[
            ("label", r#"{ type: text, length: 20, required: true, backfill: "it's; n/a" }"#),
            ("rate", r#"{ type: decimal, precision: 5, scale: 2, required: true, backfill: "1.50" }"#),
            ("extra", r#"{ type: json, required: true, backfill: "text" }"#),
            ("more", "{ type: json, backfill: 5 }"),
            ("kind", "{ type: enum, values: [plain, \"it's\"], required: true, backfill: \"it's\" }"),
            ("payer", "{ type: ref, to: customer, required: true, backfill: 2 }"),
            ("booked", "{ type: date, required: true, backfill: 2026-03-01 }"),
            ("printed", "{ type: boolean, required: true, backfill: false }"),
            ("country", "{ type: ref, to: country }"),
        ],
        false,
    );
    lived.change(
        "invoice",
        &[
            // Wider, described, from integer to bigint, required from now on, not required any more, no longer unique.
            ("number", r#"{ type: text, length: 40, required: true, description: "a; 'b' ${c}" }"#),
            ("count", "{ type: bigint, required: true }"),
            ("seen", r#"{ type: timestamp, required: true, backfill: "2020-01-01T00:00:00Z" }"#),
            ("due", "{ type: date }"),
            ("state", "{ type: enum, values: [open, closed, late], required: true }"),
            // To text, from which no type comes back by itself.
            ("small", "{ type: text }"),
            ("printed", "{ type: text, required: true }"),
            ("rate", "{ type: text, required: true }"),
            ("booked", "{ type: text, length: 10, required: true }"),
            ("kind", "{ type: text, required: true }"),
        ],
        true,
    );
    assert_eq!(
        lived.sql(
            "select number, small, count, seen at time zone 'UTC', due, label, rate, extra, more, kind, payer, \
             booked, printed, country, memo, note from invoices order by id"
        ),
        "A-1|7|2147483647|2026-01-31 12:30:00|2026-01-31|it's; n/a|1.50|\"text\"|5|it's|2|2026-03-01|false|||open\n\
         A-2|-3|2|2020-01-01 00:00:00|2026-02-28|it's; n/a|1.50|\"text\"|5|it's|2|2026-03-01|false|||closed"
    );
    lived.sql("update invoices set country = id");
    lived.change(
        "invoice",
        &[
            // Narrower, to an enum, unique.
            ("number", "{ type: text, length: 10, required: true }"),
            ("note", "{ type: enum, values: [open, closed] }"),
            ("country", "{ type: ref, to: country, unique: true }"),
            ("customer", "{ type: ref, to: customer, required: true, unique: true }"),
        ],
        true,
    );
    // A reference that need not be unique any more, and one that is new.
    lived.change("invoice", &[("customer", "{ type: ref, to: customer, required: true }")], false);
    lived.change("customer", &[("referrer", "{ type: ref, to: customer, unique: true }")], false);
    assert_same_as_new(&lived);
    let before_losses = lived.states.len();
    lived.change("invoice", &[("paid", ""), ("memo", "")], true);
    lived.step("add-migration double-amounts");
    let path = lived.changesets().into_keys().rfind(|path| path.ends_with("-double-amounts.sql")).unwrap();
    lived.repo.edit(
        &path,
        "\n\n--rollback select 1;",
        "\nupdate invoices set amount = amount * 2;\n\n--rollback update invoices set amount = amount / 2;",
    );
    // It was run as it came, empty; a test's database may forget it.
    lived.sql("delete from databasechangelog where id like '%double-amounts'");
    lived.update("double-amounts");
    assert_eq!(lived.sql("select number, amount from invoices order by id"), "A-1|21.00\nA-2|0.02");
    assert_same_as_new(&lived);

    // Taken back to what was first added, and brought forward again: the rows are there all the time.
    let wanted = "A-1|1|open|7|2147483647|5|2026-01-31|2026-01-31 12:30:00|{\"a\": 1}|10.50|open\n\
        A-2|2|closed|-3|2||2026-02-28|2020-01-01 00:00:00||0.01|closed";
    let rows = "select number, customer, state, small, count, total, due, seen at time zone 'UTC', raw, amount, note \
        from invoices order by id";
    let newest: Vec<_> = lived.states.drain(added..).collect();
    let applied = |states: &[State]| states.last().unwrap().changesets;
    lived.liquibase(&["rollback-count", &(applied(&newest) - applied(&lived.states)).to_string()]);
    assert_eq!(lived.sql(rows), wanted);
    lived.sql("update invoices set paid = true");
    lived.liquibase(&["update", "--contexts=verify,testdata"]);
    assert_eq!(lived.sql("select number, amount from invoices order by id"), "A-1|21.00\nA-2|0.02");
    lived.states.extend(newest);
    assert_eq!(lived.sql(SCHEMA), lived.states.last().unwrap().schema);
    assert!(lived.states.len() > before_losses);

    // Removals. A table that is kept is there with its rows, and for an entity that comes back.
    let spec = lived.repo.read("appgen.yaml");
    let count = lived.changesets().len();
    lived.step("remove-entity invoice");
    assert_eq!(lived.sql("select count(*) from invoices"), "2");
    lived.repo.write("appgen.yaml", &spec);
    lived.step("sync");
    assert_eq!(lived.changesets().len(), count);
    lived.step("remove-entity invoice --drop-table");
    assert_eq!(lived.sql("select count(*) from customers"), "2");
    // The same name again is another table.
    lived.step("add-entity invoice number:text(5)! customer:ref(customer)");
    lived.sql("insert into invoices (number, customer) values ('B-1', 1)");

    // An upgrade writes later changesets in its own words, and leaves the earlier ones alone.
    lived.later = true;
    lived.step("upgrade");
    lived.step("add-entity rate value:decimal(12,6)! customer:ref(customer)!");
    let changesets = lived.changesets();
    let by_later = changesets.iter().filter(|(_, text)| text.contains("In the words of a later set"));
    assert!(by_later.map(|(path, _)| path).eq(changesets.keys().filter(|path| path.ends_with("-create-rates.sql"))));
    lived.change("invoice", &[("number", "{ type: text, length: 9, required: true }")], false);
    assert_eq!(lived.sql("select number, customer from invoices"), "B-1|1");
    lived.liquibase(&["validate"]);

    lived.back_to(0);
    assert_eq!(lived.sql(SCHEMA), "");
    lived.liquibase(&["update", "--contexts=prod"]);
}

/// The tables that changes led to are those that a new repository with these entities makes at once.
#[track_caller]
fn assert_same_as_new(lived: &Lived) {
    let spec = lived.repo.read("appgen.yaml");
    let place = Place::new();
    place.new_from(spec.split("\nchangesets:\n").next().unwrap().as_bytes()).succeeds();
    lived.postgres.sql("postgres", "drop database if exists fresh");
    lived.postgres.sql("postgres", "create database fresh");
    liquibase(&lived.program, &place.path().join("a"), &lived.postgres, "fresh", &["update", "--contexts=verify"]);
    assert_eq!(lived.sql(SCHEMA), lived.postgres.sql("fresh", SCHEMA).trim_end());
}
