"""The Python client, unchanged, against a running server at MEC_URL whose catalog is the demo's."""

import os
import unittest

from postgrest import APIError, CountMethod, SyncPostgrestClient


class Product(unittest.TestCase):
    """What a user of this product does."""

    def setUp(self):
        self.db = SyncPostgrestClient(f"{os.environ['MEC_URL']}/api")

    def tearDown(self):
        self.db.aclose()

    def account(self, name):
        row = {"display_name": "Acme", "external_id": name}
        return self.db.table("accounts").insert(row).execute().data[0]["account_id"]

    def test_plans_are_listed_filtered_and_counted(self):
        plans = self.db.table("plans").select("plan_id, plan_name", count=CountMethod.exact).order("sort_order").range(0, 1).execute()
        self.assertEqual([plan["plan_id"] for plan in plans.data], ["trial-14d", "starter"])
        self.assertEqual(plans.count, 4)
        self.assertEqual(self.db.table("plans").select("*", count=CountMethod.exact, head=True).execute().count, 4)
        csv = self.db.table("plans").select("plan_id,is_trial").eq("plan_id", "pro").csv().execute()
        self.assertEqual(csv.data, "plan_id,is_trial\npro,f")

    def test_an_account_gets_a_plan_and_uses_it(self):
        account = self.account("py-1")
        self.assertEqual(self.db.rpc("provision_plan", {"p_account_id": account, "p_plan_id": "pro"}).execute().data, 5)
        use = {"p_account_id": account, "p_resource_type": "benchmark_runs", "p_quantity": 2, "p_idempotency_key": "py-1"}
        [row] = self.db.rpc("consume", use).execute().data
        self.assertEqual((row["decision"], row["quantity_used"]), ("allow", 2))
        question = {"p_account_id": account, "p_resource_type": "benchmark_runs"}
        [row] = self.db.rpc("check_entitlement", question, get=True).execute().data
        self.assertEqual(row["quantity_remaining"], 498)
        rows = self.db.table("entitlements").select("resource_type_code, accounts(display_name)").eq("account_id", account).execute()
        self.assertEqual(len(rows.data), 5)
        self.assertEqual(rows.data[0]["accounts"], {"display_name": "Acme"})

    def test_rows_are_changed_and_put_in_place(self):
        account = self.account("py-2")
        entitlement = {
            "account_id": account, "resource_type_code": "benchmark_runs", "limit_kind_code": "cumulative",
            "quantity_allowed": 10, "window_type_code": "month",
        }
        made = self.db.table("entitlements").insert([entitlement]).execute().data[0]
        changed = self.db.table("entitlements").update({"quantity_allowed": 12}).eq("entitlement_id", made["entitlement_id"]).execute()
        self.assertEqual(changed.data[0]["quantity_allowed"], 12)
        unit = {"unit_code": "py", "unit_name": "Py", "dimension": "py", "factor": 1}
        self.assertEqual(self.db.table("units").upsert(unit).execute().data, [unit])
        self.assertEqual(self.db.table("units").upsert({**unit, "unit_name": "Python"}).execute().data[0]["unit_name"], "Python")
        self.assertEqual(len(self.db.table("units").delete().eq("unit_code", "py").execute().data), 1)

    def test_errors_say_their_code(self):
        for request, code in [
            (self.db.table("nope").select("*"), "PGRST205"),
            (self.db.table("plans").select("*").single(), "PGRST116"),
            (self.db.table("accounts").insert({"display_name": "X", "account_type_code": "zzz"}), "23503"),
            (self.db.rpc("provision_plan", {"p_external_id": "nobody", "p_plan_id": "pro"}), "MEC_ACCOUNT_NOT_FOUND"),
        ]:
            with self.assertRaises(APIError) as raised:
                request.execute()
            self.assertEqual(raised.exception.code, code)
        self.assertIsNone(self.db.table("plans").select("*").eq("plan_id", "nope").maybe_single().execute())


if __name__ == "__main__":
    unittest.main()
