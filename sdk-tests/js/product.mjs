// What a user of this product does, once through any client that speaks as supabase's do.
import assert from 'node:assert/strict';

export async function useTheProduct(db, name) {
  const id = await account(db, name);
  await plansAndUse(db, id);
  await entitlements(db, id);
  await pagesAndForms(db);
  await upserts(db, name);
  await errors(db);
}

function ok({ data, error, status }, wanted = 200) {
  assert.equal(error, null, JSON.stringify(error));
  assert.equal(status, wanted);
  return data;
}

async function account(db, name) {
  const row = { display_name: 'Acme', external_id: name, email: 'admin@acme.example' };
  const made = ok(await db.from('accounts').insert(row).select().single(), 201);
  assert.equal(made.external_id, name);
  assert.equal(made.account_type_code, 'organization');
  const patched = ok(await db.from('accounts').update({ display_name: 'Acme Corp' }).eq('account_id', made.account_id).select('display_name'));
  assert.deepEqual(patched, [{ display_name: 'Acme Corp' }]);
  const found = ok(await db.from('accounts').select('account_id').eq('external_id', name).maybeSingle());
  assert.equal(found.account_id, made.account_id);
  const nobody = ok(await db.from('accounts').select().eq('external_id', `${name} nobody`).maybeSingle());
  assert.equal(nobody, null);
  return made.account_id;
}

async function plansAndUse(db, id) {
  const plans = ok(await db.from('plans').select('plan_id,name:plan_name,is_trial').order('sort_order'));
  assert.deepEqual(plans.slice(0, 2).map((plan) => plan.plan_id), ['trial-14d', 'starter']);
  assert.equal(ok(await db.rpc('provision_plan', { p_account_id: id, p_plan_id: 'starter' })), 5);
  const use = { p_account_id: id, p_resource_type: 'benchmark_runs', p_quantity: 3, p_idempotency_key: `${id} 1` };
  const event = ok(await db.rpc('meter_consumption', use));
  assert.match(event, /^[0-9a-f-]{36}$/);
  assert.equal(ok(await db.rpc('meter_consumption', use)), event, 'the same key is the same event');
  const question = { p_account_id: id, p_resource_type: 'benchmark_runs', p_requested_qty: 1 };
  for (const answer of [
    await db.rpc('check_entitlement', question),
    await db.rpc('check_entitlement', question, { get: true }),
    await db.rpc('check_entitlement', question).select('decision,quantity_used').eq('decision', 'allow'),
  ]) {
    const [row] = ok(answer);
    assert.equal(row.decision, 'allow');
    assert.equal(row.quantity_used, 3);
  }
  const one = ok(await db.rpc('check_entitlement', question).select('allowed').single());
  assert.deepEqual(one, { allowed: true });
}

async function entitlements(db, id) {
  const mine = () => db.from('entitlements').select('resource_type_code,quantity_allowed', { count: 'exact' }).eq('account_id', id);
  const all = await mine();
  assert.equal(all.count, 5);
  const head = await db.from('entitlements').select('*', { count: 'exact', head: true }).eq('account_id', id);
  assert.deepEqual([head.count, head.data, head.error], [5, null, null]);
  const row = { account_id: id, resource_type_code: 'benchmark_runs', limit_kind_code: 'cumulative', quantity_allowed: 7, window_type_code: 'month' };
  const granted = ok(await db.from('entitlements').insert(row).select('entitlement_id,source,quantity_allowed').single(), 201);
  assert.equal(granted.source, 'manual');
  assert.equal(ok(await db.from('entitlements').update({ quantity_allowed: 8.5 }).eq('entitlement_id', granted.entitlement_id), 204), null);
  const filtered = ok(await mine().in('resource_type_code', ['benchmark_runs', 'a,"b"']).gte('quantity_allowed', 8).order('quantity_allowed'));
  assert.deepEqual(filtered.map((found) => found.quantity_allowed), [8.5, 100]);
  const either = ok(await mine().or('quantity_allowed.eq.8.5,and(resource_type_code.like.bench*,quantity_allowed.gt.99)').not('plan_id', 'is', null));
  assert.equal(either.length, 1);
  const [parent] = ok(await db.from('accounts').select('display_name,entitlements(quantity_allowed)').eq('account_id', id)
    .order('quantity_allowed', { referencedTable: 'entitlements', ascending: false }).limit(1, { referencedTable: 'entitlements' }));
  assert.deepEqual(parent, { display_name: 'Acme Corp', entitlements: [{ quantity_allowed: 100 }] });
  const inner = ok(await db.from('entitlements').select('accounts!inner(external_id)').eq('accounts.account_id', id).limit(1));
  assert.equal(inner.length, 1);
}

async function pagesAndForms(db) {
  const page = await db.from('plans').select('plan_id', { count: 'exact' }).order('sort_order').range(1, 2);
  assert.deepEqual([page.status, page.count, page.data.length], [206, 4, 2]);
  const beyond = await db.from('plans').select('plan_id', { count: 'exact' }).range(100, 110);
  assert.deepEqual([beyond.status, beyond.error.code], [416, 'PGRST103']);
  const csv = ok(await db.from('plans').select('plan_id,is_trial').eq('plan_id', 'trial-14d').csv());
  assert.equal(csv, 'plan_id,is_trial\ntrial-14d,t');
}

async function upserts(db, name) {
  const unit = (factor) => ({ unit_code: `u-${name}`, unit_name: 'Unit', dimension: `d-${name}`, factor });
  assert.equal(ok(await db.from('units').upsert(unit(1)), 201), null);
  assert.equal((ok(await db.from('units').upsert([unit(2)], { onConflict: 'unit_code' }).select('factor')))[0].factor, 2);
  assert.deepEqual(ok(await db.from('units').upsert(unit(3), { ignoreDuplicates: true }).select(), 201), []);
  const gone = ok(await db.from('units').delete().eq('unit_code', `u-${name}`).select('unit_code'));
  assert.deepEqual(gone, [{ unit_code: `u-${name}` }]);
}

async function errors(db) {
  const told = async (request, status, code) => {
    const { data, error, status: found } = await request;
    assert.deepEqual([data, found, error?.code], [null, status, code]);
    assert.deepEqual(Object.keys(error).filter((key) => ['code', 'details', 'hint', 'message'].includes(key)).sort(), ['code', 'details', 'hint', 'message']);
  };
  await told(db.from('plnas').select(), 404, 'PGRST205');
  await told(db.from('plans').select('plan_nam'), 400, '42703');
  await told(db.from('plans').select().single(), 406, 'PGRST116');
  await told(db.from('accounts').insert({ display_name: 'X', nope: 1 }), 400, 'PGRST204');
  await told(db.from('accounts').insert({ display_name: 'X', account_type_code: 'zzz' }), 409, '23503');
  await told(db.from('accounts').update({ display_name: 'X' }), 400, '21000');
  await told(db.rpc('provision_plan', { p_plan: 'pro' }), 404, 'PGRST202');
  await told(db.rpc('provision_plan', { p_external_id: 'nobody at all', p_plan_id: 'pro' }), 404, 'MEC_ACCOUNT_NOT_FOUND');
  await told(db.rpc('consume', {}, { get: true }), 404, 'PGRST202');
}
