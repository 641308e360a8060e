//! Who runs this process.

use nix::unistd::{Gid, Group, Uid, User, getgroups};

/// The user's name and groups, as the operating system has them. A user without a name there goes by the number: what the
/// environment says could name any approver.
#[must_use]
pub fn user() -> (String, Vec<String>) {
    let uid = Uid::current();
    let named = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let name = named.unwrap_or_else(|| uid.to_string());
    let mut groups: Vec<Gid> = getgroups().unwrap_or_default();
    groups.push(Gid::current());
    let mut groups: Vec<String> =
        groups.into_iter().filter_map(|gid| Group::from_gid(gid).ok().flatten()).map(|group| group.name).collect();
    groups.sort();
    groups.dedup();
    (name, groups)
}

/// The user and group that files should belong to; `None` for root, who needs no hand-over.
#[must_use]
pub fn owner() -> Option<(u32, u32)> {
    let uid = Uid::current();
    (!uid.is_root()).then(|| (uid.as_raw(), Gid::current().as_raw()))
}
