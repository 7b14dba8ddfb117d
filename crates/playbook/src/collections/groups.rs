//! `module_defaults`: which modules its keys mean. Keys are resolved without the `collections` keyword; what is no full name is a
//! module beside the playbook or one of ansible-core (`playbook/base.py` of ansible-core 2.19).

use super::runtime::Member;
use super::{Collections, Kind, split};
use crate::play::{action_groups, redirects};
use std::collections::BTreeSet;

impl Collections {
    /// The full names that a key of `module_defaults` stands for.
    pub fn defaults_of(&self, key: &str) -> Vec<String> {
        let legacy = key.strip_prefix("ansible.legacy.").or_else(|| (split(key).is_none()).then_some(key));
        let Some(short) = legacy else { return vec![self.canonical(key)] };
        vec![short.to_owned(), self.canonical(&format!("ansible.builtin.{short}"))]
    }

    /// The full name that a full name leads to; itself where that is nothing installed.
    pub fn canonical(&self, name: &str) -> String {
        if let Some(short) = name.strip_prefix("ansible.builtin.") {
            if crate::play::modules::is_builtin(short) {
                return name.to_owned();
            }
            if let Some(moved) = redirects::module(short) {
                return self.canonical(&moved);
            }
        }
        let module = self.find(Kind::Module, name).ok();
        if module.as_ref().is_none_or(|m| m.action_plugin.is_none())
            && let Ok(action) = self.find(Kind::Action, name)
        {
            return action.full;
        }
        let full = module.map_or_else(|| name.to_owned(), |m| m.full);
        imgbuild_proto::spec::module(&full).map_or(full, |spec| spec.fqcn.to_owned())
    }

    /// A group's full name.
    pub fn group_name(group: &str) -> String {
        match group.strip_prefix("ansible.legacy.") {
            Some(short) => format!("ansible.builtin.{short}"),
            None if split(group).is_none() => format!("ansible.builtin.{group}"),
            None => group.to_owned(),
        }
    }

    /// Whether a module, by its full name, belongs to a group.
    pub fn group_holds(&self, group: &str, full: &str) -> bool {
        let mut seen = BTreeSet::new();
        self.holds(&Self::group_name(group), full, &mut seen)
    }

    fn holds(&self, group: &str, full: &str, seen: &mut BTreeSet<String>) -> bool {
        if !seen.insert(group.to_owned()) {
            return false;
        }
        let Some((collection, name)) = split(group) else { return false };
        let (members, extends): (Vec<String>, Vec<String>) = if collection == "ansible.builtin" {
            let (members, extends) = action_groups::builtin(name);
            (members.iter().map(|m| (*m).to_owned()).collect(), extends.iter().map(|e| (*e).to_owned()).collect())
        } else {
            let runtime = self.runtime(collection);
            let Some(listed) = runtime.group(name, group) else {
                return action_groups::of_collection(group, full);
            };
            let mut parts = (Vec::new(), Vec::new());
            for member in listed {
                match member {
                    Member::Name(name) => parts.0.push(name.clone()),
                    Member::Extends(groups) | Member::Invalid(_, groups) => parts.1.extend(groups.iter().cloned()),
                }
            }
            parts
        };
        let own = |name: &String| if split(name).is_none() { format!("{collection}.{name}") } else { name.clone() };
        members.iter().map(own).any(|member| match member.strip_prefix("ansible.legacy.") {
            // A module beside the playbook, or one of ansible-core.
            Some(short) => short == full || self.canonical(&format!("ansible.builtin.{short}")) == full,
            None => self.canonical(&member) == full,
        }) || extends.iter().map(own).any(|group| self.holds(&group, full, seen))
    }

    /// Whether a group exists. Those of collections that are not installed may.
    pub fn group_known(&self, group: &str) -> bool {
        let full = Self::group_name(group);
        let Some((collection, name)) = split(&full) else { return false };
        match collection {
            "ansible.builtin" => action_groups::known(name),
            _ if self.folder(collection).is_none() => true,
            _ => self.runtime(collection).group(name, &full).is_some(),
        }
    }

    /// What Ansible says of a group's metadata.
    pub fn group_warnings(&self, group: &str) -> Vec<String> {
        let full = Self::group_name(group);
        let Some((collection, name)) = split(&full) else { return Vec::new() };
        let runtime = self.runtime(collection);
        let members = runtime.group(name, &full).unwrap_or_default();
        let wrong = members.iter().filter_map(|m| if let Member::Invalid(why, _) = m { Some(why) } else { None });
        wrong
            .map(|why| {
                format!("Invalid metadata was found for action_group {full} while loading module_defaults. {why}")
            })
            .collect()
    }
}
