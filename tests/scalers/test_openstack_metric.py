"""What the contract asks of the page's example; the table is test_openstack."""

from __future__ import annotations

from tidegate.testing.sheets import Sample

SAMPLES = {
    "openstack-metric": Sample(
        may_be_negative=True, zeros=(None,), auth={"authURL": "http://keystone:5000/v3"}
    )
}
