//! What a caller may do: the roles there are.
//!
//! Only says it; `Identity` asks before a write, and the engine refuses whoever gets past that.

use mec_engine::Access;

/// What a role claim or the setting `anon_role` may name. Any other name may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// People who run the installation: everything the API offers.
    Admin,
    /// Programs of the product: the same.
    Service,
    /// Reads everything, writes nothing.
    Reader,
}

/// The roles as a hint tells them.
pub(super) const ROLES: &str =
    "The roles are admin and service, which may do everything, and reader, which only reads";

impl Role {
    /// The role of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Admin, Self::Service, Self::Reader]
            .into_iter()
            .find(|role| role.name() == name)
    }

    /// Its name in tokens.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Service => "service",
            Self::Reader => "reader",
        }
    }

    /// What the engine lets it do.
    pub(super) const fn access(self) -> Access {
        match self {
            Self::Admin | Self::Service => Access::Everything,
            Self::Reader => Access::Reading,
        }
    }

    /// Whether it may change anything.
    pub(super) fn may_write(self) -> bool {
        self.access() == Access::Everything
    }
}
