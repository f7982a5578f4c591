//! Which shard of a Citus database a tree is on: a batch takes the trees of one.

use mec_kernel::TreeId;

use super::session::Session;
use super::tree_number::number;
use crate::StoreError;

/// The shards of the trees, by the lowest hash of each, in their order; none where the tables are
/// not spread.
#[derive(Clone, Debug, Default)]
pub(super) struct Shards(Vec<i32>);

const LOWEST: &str = "SELECT shardminvalue::integer FROM pg_dist_shard \
     WHERE logicalrelid = to_regclass('account_trees') AND shardminvalue IS NOT NULL ORDER BY 1";

impl Shards {
    /// Those of a server that has Citus.
    pub(super) async fn read(session: &Session) -> Result<Self, StoreError> {
        let lowest = session.query_once(LOWEST, &[]).await?;
        Ok(Self(
            lowest
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Result<_, _>>()?,
        ))
    }

    /// The tree's shard; `None` where there are none.
    pub(super) fn of(&self, tree: TreeId) -> Option<usize> {
        let hash = hash(number(tree));
        (!self.0.is_empty()).then(|| {
            self.0
                .partition_point(|lowest| *lowest <= hash)
                .saturating_sub(1)
        })
    }
}

/// PostgreSQL's own hash of an `integer`, by which Citus spreads rows (Bob Jenkins' lookup3 of one
/// word).
pub(super) fn hash(value: i32) -> i32 {
    const START: u32 = 0x9e37_79b9_u32.wrapping_add(4).wrapping_add(3_923_095);
    let (mut a, mut b, mut c) = (START.wrapping_add(value.cast_unsigned()), START, START);
    let mix =
        |of: &mut u32, by: u32, turn: u32| *of = (*of ^ by).wrapping_sub(by.rotate_left(turn));
    mix(&mut c, b, 14);
    mix(&mut a, c, 11);
    mix(&mut b, a, 25);
    mix(&mut c, b, 16);
    mix(&mut a, c, 4);
    mix(&mut b, a, 14);
    mix(&mut c, b, 24);
    c.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_postgresqls() {
        // SELECT hashint4(n)
        for (value, hashed) in HASHES {
            assert_eq!(hash(value), hashed, "{value}");
        }
    }

    #[test]
    fn a_tree_is_on_the_shard_whose_range_holds_its_hash() {
        let shards = Shards(vec![i32::MIN, -1_073_741_824, 0, 1_073_741_824]);
        for (tree, _) in HASHES {
            let Ok(number) = u32::try_from(tree) else {
                continue;
            };
            let wanted = usize::try_from((i64::from(hash(tree)) + (1 << 31)) >> 30).unwrap();
            assert_eq!(shards.of(TreeId(number)), Some(wanted));
        }
        assert_eq!(Shards::default().of(TreeId(1)), None);
    }

    const HASHES: [(i32, i32); 7] = [
        (0, -272711505),
        (1, -1905060026),
        (2, 1134484726),
        (42, 1509752520),
        (1000000, -723906379),
        (2147483647, -96758253),
        (-1, 385747274),
    ];
}
