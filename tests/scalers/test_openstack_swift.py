"""What the contract asks of the page's example; the table is test_openstack."""

from __future__ import annotations

from tidegate.testing.sheets import Sample

SAMPLES = {"openstack-swift": Sample(auth={"authURL": "http://keystone:5000/v3"})}
