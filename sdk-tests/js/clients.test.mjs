// The JavaScript clients, unchanged, against a running server at MEC_URL whose catalog is the demo's.
import assert from 'node:assert/strict';
import test from 'node:test';
import { PostgrestClient } from '@supabase/postgrest-js';
import { createClient } from '@supabase/supabase-js';
import raDataPostgrest from '@raphiniert/ra-data-postgrest';
import { useTheProduct } from './product.mjs';

// A CommonJS module, whose default export is one level down.
const { default: provide, defaultPrimaryKeys, defaultSchema } = raDataPostgrest;
const base = process.env.MEC_URL;
assert.ok(base, 'MEC_URL names the server');

test('postgrest-js', () => useTheProduct(new PostgrestClient(`${base}/api`), 'postgrest-js'));

// Node 20 has no WebSocket, and nothing here listens for changes.
class NoSocket {}

test('supabase-js, whose key is no token', async () => {
  const supabase = createClient(base, 'sb_publishable_0123456789', { auth: { persistSession: false }, realtime: { transport: NoSocket } });
  await useTheProduct(supabase, 'supabase-js');
});

test('ra-data-postgrest, as react-admin calls it', async () => {
  const httpClient = async (url, options = {}) => {
    const headers = new Headers(options.headers ?? {});
    if (!headers.has('Accept')) headers.set('Accept', 'application/json');
    if (options.body && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json');
    const response = await fetch(url, { ...options, headers });
    const body = await response.text();
    const json = body ? JSON.parse(body) : undefined;
    if (response.status >= 300) throw Object.assign(new Error(json.message), { status: response.status, body: json });
    return { status: response.status, headers: response.headers, body, json };
  };
  const primaryKeys = new Map([...defaultPrimaryKeys, ['accounts', ['account_id']], ['plans', ['plan_id']]]);
  const provider = provide({ apiUrl: `${base}/api`, httpClient, defaultListOp: 'eq', primaryKeys, schema: defaultSchema });
  const page = { pagination: { page: 1, perPage: 2 }, sort: { field: 'plan_id', order: 'ASC' } };

  const plans = await provider.getList('plans', { ...page, filter: {} });
  assert.deepEqual([plans.total, plans.data.map((plan) => plan.id)], [4, ['enterprise', 'pro']]);
  const trials = await provider.getList('plans', { ...page, filter: { 'plan_name@ilike': 'trial' } });
  assert.deepEqual(trials.data.map((plan) => plan.id), ['trial-14d']);
  assert.equal((await provider.getOne('plans', { id: 'pro' })).data.plan_name, 'Pro');
  assert.equal((await provider.getMany('plans', { ids: ['pro', 'starter'] })).data.length, 2);

  const { data: made } = await provider.create('accounts', { data: { display_name: 'Admin made', external_id: 'ra' } });
  assert.equal(made.id, made.account_id);
  const changed = await provider.update('accounts', { id: made.id, data: { display_name: 'Admin changed' }, previousData: made });
  assert.equal(changed.data.display_name, 'Admin changed');
  const related = { target: 'account_id', id: made.id, ...page, sort: { field: 'entitlement_id', order: 'ASC' }, filter: {} };
  assert.equal((await provider.getManyReference('entitlements', related)).total, 0);
  await assert.rejects(provider.getOne('plans', { id: 'nope' }), { status: 406 });
});
