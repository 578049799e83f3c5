"""Notices in the chart: each pod has the files that it reads and no other, and only workers reach the mail server.

Belongs here: the values `notices` and `networkPolicy.egress.mailPeers`. Does not belong here: bad values (`test_values.py`).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.rendering import NOTES, KubernetesObject, container, objects, only, pod_templates, rendered, values_of

FULL = values_of("full")
OF_TICKETS = {"SEATLINE_TICKET_KEY_FILE", "SEATLINE_TICKET_OLD_KEYS_FILE"}


def settings_of(found: list[KubernetesObject]) -> dict[str, str]:
    data: dict[str, str] = only([each for each in found if "SEATLINE_LISTEN" in each.get("data", {})], "ConfigMap")["data"]
    return data


def volume_of(pod: KubernetesObject, name: str) -> tuple[KubernetesObject, KubernetesObject]:
    """Return a volume of a pod, and where it is mounted."""
    (mount,) = [each for each in container(pod)["volumeMounts"] if each["name"] == name]
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == name]
    return volume, mount


def files_of(pod: KubernetesObject) -> dict[str, tuple[str, str]]:
    """Return Secret and key of each file of notices and tickets, by path."""
    volume, mount = volume_of(pod, "notices")
    assert mount["readOnly"] is True
    return {
        f"{mount['mountPath']}/{item['path']}": (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


@pytest.mark.parametrize(("component", "mounted"), [("api", OF_TICKETS), ("worker", set(FULL["notices"]["files"]))])
def test_each_pod_has_the_files_that_it_reads_where_its_settings_say(component: str, mounted: set[str]) -> None:
    found = objects(FULL)
    settings, references = settings_of(found), FULL["notices"]["files"]
    assert files_of(pod_templates(found)[component]) == {
        settings[name]: (references[name].get("secret", "seatline"), references[name]["key"]) for name in mounted
    }


def test_channels_and_their_settings_reach_the_pods() -> None:
    settings = settings_of(objects(FULL))
    assert settings["SEATLINE_NOTICE_CHANNELS"] == "email,sms"
    assert (settings["SEATLINE_SMTP_HOST"], settings["SEATLINE_SMTP_PORT"]) == ("smtp.example.com", "465")


@pytest.mark.parametrize("component", ["api", "worker"])
def test_fonts_are_mounted_where_the_setting_says(component: str) -> None:
    found = objects(FULL)
    volume, mount = volume_of(pod_templates(found)[component], "fonts")
    assert volume["persistentVolumeClaim"] == {"claimName": "fonts", "readOnly": True}
    assert mount == {"name": "fonts", "mountPath": settings_of(found)["SEATLINE_TICKET_FONTS_DIR"], "readOnly": True}


def test_without_notices_nothing_is_mounted_and_no_channel_is_set() -> None:
    found = objects(values_of("minimal"))
    assert settings_of(found)["SEATLINE_NOTICE_CHANNELS"] == ""
    for component in ("api", "worker"):
        volumes = {volume["name"] for volume in pod_templates(found)[component]["spec"]["volumes"]}
        assert volumes == {"tmp"}


def test_the_log_channel_writes_where_pods_can_write() -> None:
    key = {"SEATLINE_TICKET_KEY_FILE": {"key": "ticket-key"}}
    found = objects(values_of("minimal", **{"notices.channels": ["log"], "notices.files": key}))
    worker = pod_templates(found)["worker"]
    _, mount = volume_of(worker, "tmp")
    assert settings_of(found)["SEATLINE_NOTICE_LOG_DIR"].startswith(f"{mount['mountPath']}/")


def egress_of(component: str, **more: Any) -> list[KubernetesObject]:
    rules: list[KubernetesObject] = only(objects(values_of("full", **more)), "NetworkPolicy", component)["spec"]["egress"]
    return rules


@pytest.mark.parametrize("port", [465, 587, 25])
def test_only_workers_reach_the_mail_server_at_its_port(port: int) -> None:
    rule = {"ports": [{"port": port, "protocol": "TCP"}], "to": FULL["networkPolicy"]["egress"]["mailPeers"]}
    more = {"settings.SEATLINE_SMTP_PORT": port}
    assert rule in egress_of("-worker", **more)
    assert rule not in egress_of("-api", **more)


def test_the_mail_servers_default_port_is_that_of_the_setting() -> None:
    settings = {name: setting for name, setting in FULL["settings"].items() if name != "SEATLINE_SMTP_PORT"}
    ports = [rule["ports"][0]["port"] for rule in egress_of("-worker", settings=settings)]
    assert 587 in ports


def test_without_mail_no_mail_server_is_reached() -> None:
    assert 465 not in [rule["ports"][0]["port"] for rule in egress_of("-worker", **{"notices.channels": ["sms"]})]


def test_the_notes_warn_where_tickets_exist_and_nobody_gets_notices() -> None:
    key = {"SEATLINE_TICKET_KEY_FILE": {"key": "ticket-key"}}
    assert "PASSENGERS GET NO NOTICES" in rendered(values_of("minimal", **{"notices.files": key}))[NOTES]
