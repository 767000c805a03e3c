"""An access.yml for tests that has every kind of rule in it."""

from __future__ import annotations

from lakehouse.catalog.policy import AccessPolicy
from lakehouse.catalog.policy_file import policy_of
from lakehouse.catalog.securable import Securable, SecurableKind, table

WHOLE = """\
principals:
  users:    {Alice@corp: {}, bob@corp: {}, etl@corp: {service: true}}
  groups:   {analysts: [alice@corp], pii_readers: [], platform: [bob@corp], contractors: [alice@corp], support: []}
  roles:    {eu_reader: {members: [group:analysts], boundary: [USE CATALOG, USE SCHEMA, SELECT]}}
run_as: etl@corp
metastore: {owner: bob@corp}
functions:
  gold.in_eu: {parameters: [region STRING], returns: BOOLEAN, body: "region = 'EU'"}
  gold.hidden: {parameters: [v, r], body: "if(main.gold.in_eu(r), v, 'r)') -- v"}
pipelines:
  nightly: {grants: {etl@corp: [EXECUTE]}}
securables:
  main: {owner: group:platform, grants: {"account users": [USE CATALOG]}}
  main.gold:
    grants: {role:eu_reader: [USE SCHEMA, SELECT]}
    deny:   {group:contractors: [MODIFY]}
  Gold.Customers:
    tags: {domain: sales}
    columns:
      email: {tags: {PII: email}}
      ssn: {tags: {pii: ssn}, mask: {using: "gold.hidden(val, region)", except: [group:pii_readers]}}
      area: {declassify: "regions are public"}
    grants:  {group:support: [{SELECT: {columns: [Id, name]}}, MODIFY]}
    row_filter: {using: "main.gold.in_eu(region) OR region IN (SELECT r FROM main.ops.m WHERE u = current_user())"}
policies:
  mask_pii: {on: main, mask: "sha2(val, 256)", except: [pii_readers], match: "has_tag('PII')"}
  eu_only: {on: main.gold, row_filter: "r = 'EU'", columns: {R: "has_tag_value('geo', 'region')"}, when: has_tag('eu')}
access_tests:
  - {as: alice@corp, can: SELECT, on: main.gold.customers}
  - {as: alice@corp, cannot: MODIFY, on: gold.customers}
  - {as: alice@corp, query: "SELECT max(ssn) m FROM gold.customers", matches: {m: "[0-9a-f]{64}"}, rows: 1}
...
"""


def rules(text: str = WHOLE) -> AccessPolicy:
    """The rules of a text, functions not put in."""
    return policy_of(text, "access.yml", "main")


def schema(name: str) -> Securable:
    """A schema of the catalog of these tests."""
    return Securable(SecurableKind.SCHEMA, ("main", name))


def function(schema_name: str, name: str) -> Securable:
    """A function of the catalog of these tests."""
    return Securable(SecurableKind.FUNCTION, ("main", schema_name, name))


CATALOG = Securable(SecurableKind.CATALOG, ("main",))
CUSTOMERS = table("main", "gold", "customers")
