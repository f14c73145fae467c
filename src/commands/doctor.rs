//! `appgen doctor`: the tools of a repository. Needs no repository.

use std::io::Write;

use super::verify::machine;
use super::{Exit, Failure};
use crate::cli::{Global, Variables};
use crate::report::{Diagnosis, Print as _};
use crate::verify::doctor::examine;
use crate::verify::tools::installations;

pub(super) fn run(global: &Global, out: &mut impl Write) -> Result<Exit, Failure> {
    let machine = machine(&Variables::read());
    let tools = examine(&machine);
    let missing: Vec<_> = tools.iter().filter(|tool| tool.install.is_some()).filter_map(|tool| tool.tool).collect();
    Diagnosis::new(tools, installations(&missing, &machine)).print(global.format, out)?;
    Ok(Exit::Done)
}
