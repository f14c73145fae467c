//! The entry point of the Liquibase image, run as the image runs it, against a real PostgreSQL and the real Liquibase.
//! Budget: 2 minutes on 2 cores, nearly all of it starts of Liquibase.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support;
use crate::support::Run;
use crate::support::postgres::{Postgres, within};
use crate::support::repository::Repo;

struct Migrations {
    repo: Repo,
    postgres: Postgres,
    home: std::path::PathBuf,
}

const SESSIONS: &str = "select count(*) from pg_stat_activity where application_name = 'a-migrate'";
const LOCKS: &str = "select count(*) from databasechangeloglock where locked";
const TAGS: &str = "select string_agg(tag, ' ' order by orderexecuted) from databasechangelog where tag is not null";
const TABLES: &str =
    "select count(*) from pg_tables where schemaname = 'public' and tablename not like 'databasechangelog%'";

impl Migrations {
    fn start(what: &str) -> Option<Self> {
        let program = support::tool("liquibase", what)?;
        let postgres = Postgres::start(what)?;
        let home = program.canonicalize().unwrap().parent().unwrap().to_owned();
        // A server that is shared gives a service its database and nothing else.
        postgres.sql("postgres", "create role owner login");
        Some(Self { repo: Repo::new(), postgres, home })
    }

    /// What the image sets, and what its container is given.
    fn command(&self, database: &str, line: &str) -> Command {
        let root = self.repo.root();
        let mut command = Command::new(root.join("deploy/docker/liquibase/entrypoint.sh"));
        let url = format!("jdbc:postgresql://127.0.0.1:{}/{database}?ApplicationName=a-migrate", self.postgres.port);
        command
            .args(line.split(' '))
            .env("LIQUIBASE_HOME", &self.home)
            .env("LIQUIBASE_SEARCH_PATH", root.join("db/changelog"))
            .env("LIQUIBASE_COMMAND_CHANGELOG_FILE", "db.changelog-root.yaml")
            .env("LIQUIBASE_SHOW_BANNER", "false")
            .env("LIQUIBASE_COMMAND_URL", url)
            .env("LIQUIBASE_COMMAND_USERNAME", "owner")
            .env("LIQUIBASE_COMMAND_CONTEXTS", "dev,testdata")
            .env("DATABASE_PASSWORD_FILE", root.join("password"))
            .current_dir(&root);
        command
    }

    #[track_caller]
    fn run(&self, database: &str, line: &str) -> String {
        let run = support::succeed(&mut self.command(database, line));
        run.out + &run.err
    }

    #[track_caller]
    fn release(&self, database: &str, release: &str) {
        support::succeed(self.command(database, "update").env("RELEASE", release));
    }

    fn create(&self, database: &str) {
        self.postgres.sql("postgres", &format!("create database {database} owner owner"));
    }

    fn sql(&self, database: &str, sql: &str) -> String {
        self.postgres.sql(database, sql).trim_end().to_owned()
    }

    /// Adds a changeset of the user's own.
    fn changeset(&self, id: &str, sql: &str, rollback: &str) {
        let text = format!("--liquibase formatted sql\n\n--changeset me:{id}\n{sql}\n--rollback {rollback}\n");
        self.repo.write(&format!("db/changelog/custom/{id}.sql"), &text);
    }
}

const FAKE: &str =
    "#!/bin/sh\nprintf '%s\\n' \"$*\" >>\"$CALLS\"\nprintf '%s' \"$LIQUIBASE_COMMAND_PASSWORD\" >\"$CALLS.password\"\n";

/// Arguments can be seen by everybody on a machine, and stand in its audit logs.
#[test]
fn the_password_is_in_no_argument() {
    use std::os::unix::fs::PermissionsExt as _;
    let repo = Repo::new();
    for (path, text) in [("password", "not-a-secret"), ("home/liquibase", FAKE)] {
        repo.write(path, text);
    }
    let root = repo.root();
    std::fs::set_permissions(root.join("home/liquibase"), std::fs::Permissions::from_mode(0o755)).unwrap();
    for line in ["update", "update-testing-rollback", "rollback 1", "rollback 1.0.0", "baseline", "status --verbose"] {
        let _ = std::fs::remove_file(root.join("calls"));
        let mut command = Command::new(root.join("deploy/docker/liquibase/entrypoint.sh"));
        command.args(line.split(' ')).env("LIQUIBASE_HOME", root.join("home")).env("CALLS", root.join("calls"));
        command.env("LIQUIBASE_SEARCH_PATH", "x").env("LIQUIBASE_COMMAND_CONTEXTS", "prod").env("RELEASE", "1.0.0");
        support::succeed(command.env("DATABASE_PASSWORD_FILE", root.join("password")));
        let calls = repo.read("calls");
        assert!(!calls.is_empty() && !calls.contains("not-a-secret"), "{line}: {calls}");
        assert_eq!(repo.read("calls.password"), "not-a-secret", "{line}");
    }
}

/// A run in a process group of its own, so that it can be killed with the Java in it.
fn start(command: &mut Command) -> Child {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn the_entry_point_updates_rolls_back_tags_adopts_and_clears_a_dead_lock() {
    let Some(migrations) = Migrations::start("the entry point of the Liquibase image") else { return };
    migrations.repo.write("password", "unused");
    back_and_forth(&migrations);
    adopts_a_schema(&migrations);
    goes_back_to_a_release(&migrations);
    keeps_the_releases_that_a_failed_rollback_left(&migrations);
    has_nothing_to_roll_back(&migrations);
    refuses_what_was_edited(&migrations);
    clears_a_dead_lock(&migrations);
}

fn back_and_forth(migrations: &Migrations) {
    let count = "select count(*) from databasechangelog";
    migrations.create("forth");
    let no_contexts = migrations.command("forth", "update").env("LIQUIBASE_COMMAND_CONTEXTS", "").output().unwrap();
    assert!(!no_contexts.status.success(), "an empty list of contexts would run everything");

    migrations.run("forth", "update-testing-rollback");
    let applied = migrations.sql("forth", count);
    migrations.run("forth", "update");
    assert_eq!(migrations.sql("forth", count), applied);
    assert_eq!(migrations.sql("forth", "select count(*) from countries"), "5");
    migrations.run("forth", &format!("rollback {applied}"));
    assert_eq!(migrations.sql("forth", TABLES), "0");
    support::succeed(migrations.command("forth", "update").env("LIQUIBASE_COMMAND_CONTEXTS", "prod"));
    assert_eq!(migrations.sql("forth", "select count(*) from countries"), "0", "test data in production");
}

/// A schema that somebody else made has the tables and no history.
fn adopts_a_schema(migrations: &Migrations) {
    migrations.sql("postgres", "create database adopted template forth owner owner");
    migrations.sql("adopted", "drop table databasechangelog, databasechangeloglock; insert into countries (code, name) values ('XK', 'Kosovo')");
    let prod = |line: &str| {
        let mut command = migrations.command("adopted", line);
        support::succeed(command.env("LIQUIBASE_COMMAND_CONTEXTS", "prod"))
    };
    assert!(!migrations.command("adopted", "update").output().unwrap().status.success(), "the tables are there");
    prod("baseline");
    prod("update");
    assert_eq!(migrations.sql("adopted", "select code from countries"), "XK");
    let history = "select string_agg(id, ' ' order by id) from databasechangelog";
    assert_eq!(migrations.sql("adopted", history), migrations.sql("forth", history));
}

/// A release without changesets has a tag as well, and none is taken from the release before it.
fn goes_back_to_a_release(migrations: &Migrations) {
    migrations.release("forth", "1.0.0");
    migrations.release("forth", "1.0.1");
    migrations.changeset("second", "create table second (id bigint);", "drop table second;");
    for line in ["rollback 1.0.0", "rollback 1"] {
        migrations.release("forth", "1.1.0");
        assert_eq!(migrations.sql("forth", TAGS), "1.0.0 1.0.1 1.1.0");
        migrations.run("forth", line);
        assert_eq!(migrations.sql("forth", "select to_regclass('second') is null"), "t");
        assert_eq!(migrations.sql("forth", TAGS), "1.0.0 1.0.1", "the schema of both is there");
    }
    // Another changelog than the image's own.
    let mut other = migrations.command("forth", "update");
    migrations
        .repo
        .write("db/changelog/other.yaml", "databaseChangeLog:\n  - include:\n      file: custom/second.sql\n");
    support::succeed(other.env("RELEASE", "1.2.0").env("LIQUIBASE_COMMAND_CHANGELOG_FILE", "other.yaml"));
    assert_eq!(migrations.sql("forth", TAGS), "1.0.0 1.0.1 1.2.0");
    assert_eq!(migrations.sql("forth", "select to_regclass('second') is null"), "f");
    let unknown = migrations.command("forth", "rollback 9.9.9").output().unwrap();
    assert!(!unknown.status.success());
    let injected = migrations.command("forth", "rollback 1';drop").output().unwrap();
    assert_eq!(injected.status.code(), Some(2));
}

/// A release is forgotten with a changeset that is gone, and with no other.
fn keeps_the_releases_that_a_failed_rollback_left(migrations: &Migrations) {
    let fails = |line: &str| {
        let run = Run::of(&migrations.command("forth", line).output().unwrap(), &migrations.repo.root());
        assert!(run.code != 0 && run.err.contains("nowhere"), "{line}: {}", run.err);
    };
    migrations.changeset("stuck", "create table stuck (id bigint);", "drop table nowhere;");
    migrations.release("forth", "1.3.0");
    for line in ["rollback 1", "rollback 1.2.0"] {
        fails(line);
        assert_eq!(migrations.sql("forth", TAGS), "1.0.0 1.0.1 1.2.0 1.3.0", "{line}: nothing is gone");
    }
    migrations.changeset("undone", "create table undone (id bigint);", "drop table undone;");
    migrations.release("forth", "1.4.0");
    fails("rollback 2");
    assert_eq!(migrations.sql("forth", "select to_regclass('undone') is null"), "t");
    assert_eq!(migrations.sql("forth", TAGS), "1.0.0 1.0.1 1.2.0 1.3.0");
}

/// Liquibase takes nothing back by count and calls that a success, and by tag says that there is no such tag.
fn has_nothing_to_roll_back(migrations: &Migrations) {
    migrations.create("bare");
    for line in ["rollback 1", "rollback 1.0.0"] {
        let run = Run::of(&migrations.command("bare", line).output().unwrap(), &migrations.repo.root());
        assert_eq!(run.code, 1, "{line}");
        for said in ["no changeset has run in this database", "deploy/scripts/migrate ENV [--baseline]"] {
            assert!(run.err.contains(said), "{line}: {}", run.err);
        }
    }
}

fn refuses_what_was_edited(migrations: &Migrations) {
    let path = "db/changelog/changes/0001-create-countries.sql";
    let text = migrations.repo.read(path);
    migrations.repo.edit(path, "varchar(", "char(");
    let output = migrations.command("forth", "update").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("check sum"), "{said}");
    migrations.repo.write(path, &text);
}

fn clears_a_dead_lock(migrations: &Migrations) {
    migrations.changeset("slow", "select pg_sleep((select seconds from pause));", "select 1;");
    migrations.sql("forth", "create table pause as select 600 as seconds; grant select on pause to owner");
    let mut killed = start(&mut migrations.command("forth", "update"));
    let asleep =
        "select count(*) from pg_stat_activity where query like '%pg_sleep%' and application_name = 'a-migrate'";
    within(Duration::from_secs(60), "the slow changeset", || migrations.sql("forth", asleep) == "1");
    support::succeed(Command::new("kill").args(["-KILL", "--", &format!("-{}", killed.id())]));
    killed.wait().unwrap();
    assert_eq!(migrations.sql("forth", LOCKS), "1", "the killed run leaves its lock");

    // Its statement is still running: the lock is not dead, and the next run waits.
    let mut waiting = start(&mut migrations.command("forth", "update"));
    within(Duration::from_secs(60), "a second session", || migrations.sql("forth", SESSIONS) == "2");
    assert_eq!(migrations.sql("forth", LOCKS), "1");
    support::succeed(Command::new("kill").args(["-KILL", "--", &format!("-{}", waiting.id())]));
    waiting.wait().unwrap();

    migrations.sql("forth", "update pause set seconds = 0");
    migrations
        .sql("forth", "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'a-migrate'");
    within(Duration::from_secs(20), "the end of the sessions", || migrations.sql("forth", SESSIONS) == "0");
    assert_eq!(migrations.sql("forth", LOCKS), "1");
    migrations.run("forth", "update");
    assert_eq!(migrations.sql("forth", LOCKS), "0");
    assert_eq!(migrations.sql("forth", "select count(*) from databasechangelog where id = 'slow'"), "1");
}
