"""A VPC with one VSwitch through ROS, with nothing but the vendor's official SDKs.

It creates the stack, looks at it from three sides, deletes it and checks that nothing is left. Nothing of garret is
imported, so it says whether the local cloud speaks what the official clients speak. On the local cloud:

    garret local up --json        # prints endpoint, access_key_id, access_key_secret
    export GARRET_ENDPOINT_ROS=… ALIBABA_CLOUD_ACCESS_KEY_ID=… ALIBABA_CLOUD_ACCESS_KEY_SECRET=…
    python examples/sdk_only.py

A VPC, a VSwitch and ROS itself cost nothing, so it may also be pointed at the real cloud (an https endpoint).
"""

import json
import os
import sys
import time
import uuid

REGION = "cn-hangzhou"
TEMPLATE = {
    "ROSTemplateFormatVersion": "2015-09-01",
    "Parameters": {"ZoneId": {"Type": "String"}},
    "Resources": {
        "Vpc": {"Type": "ALIYUN::ECS::VPC", "Properties": {"VpcName": "sdk-only", "CidrBlock": "10.20.0.0/16"}},
        "VSwitch": {
            "Type": "ALIYUN::ECS::VSwitch",
            "Properties": {
                "VpcId": {"Fn::GetAtt": ["Vpc", "VpcId"]},
                "ZoneId": {"Ref": "ZoneId"},
                "CidrBlock": "10.20.1.0/24",
            },
        },
    },
    "Outputs": {
        "VpcId": {"Value": {"Fn::GetAtt": ["Vpc", "VpcId"]}},
        "VSwitchId": {"Value": {"Fn::GetAtt": ["VSwitch", "VSwitchId"]}},
    },
}


def main() -> int:
    """Create, see and delete the stack; returns the exit code."""
    endpoint = os.environ.get("GARRET_ENDPOINT_ROS", "")
    key, secret = (os.environ.get(f"ALIBABA_CLOUD_ACCESS_KEY_{part}", "") for part in ("ID", "SECRET"))
    if not (endpoint and key and secret):
        say("Set GARRET_ENDPOINT_ROS, ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET first.")
        return 2
    if "://127." in endpoint or "://localhost" in endpoint:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            os.environ.pop(name, None)  # the SDKs would send even loopback through a proxy
    stack_id = ""
    client = ros_client(endpoint, key, secret)
    try:
        stack_id = create(client, zone=f"{REGION}-i")
        outputs = see(client, stack_id)
        say(f"VPC {outputs['VpcId']}, VSwitch {outputs['VSwitchId']}")
        vpcs = describe_vpcs(endpoint, key, secret, outputs["VpcId"])
        say(f"the VPC service says: {vpcs}")
        if vpcs != ["sdk-only"]:
            return 1
    finally:
        if stack_id:
            delete(client, stack_id)
    left = describe_vpcs(endpoint, key, secret, outputs["VpcId"])
    say(f"after the deletion the VPC service says: {left}")
    return 0 if left == [] else 1


def say(text: str) -> None:
    """Write one line."""
    sys.stdout.write(text + "\n")


def ros_client(endpoint: str, key: str, secret: str):
    """Return the official ROS client."""
    from alibabacloud_ros20190910.client import Client
    from alibabacloud_tea_openapi.models import Config

    protocol, _, host = endpoint.rpartition("://")
    return Client(
        Config(
            access_key_id=key,
            access_key_secret=secret,
            endpoint=host,
            protocol=protocol or "https",
            region_id=REGION,
        )
    )


def create(client, zone: str) -> str:
    """Start the stack and wait until it is there; the ClientToken makes a second attempt harmless."""
    from alibabacloud_ros20190910 import models

    request = models.CreateStackRequest(
        region_id=REGION,
        stack_name="sdk-only",
        template_body=json.dumps(TEMPLATE),
        client_token=uuid.uuid4().hex,
        parameters=[models.CreateStackRequestParameters(parameter_key="ZoneId", parameter_value=zone)],
        tags=[models.CreateStackRequestTags(key="example", value="sdk-only")],
    )
    stack_id = client.create_stack(request).body.stack_id
    say(f"stack {stack_id}")
    wait(client, stack_id, "CREATE_COMPLETE")
    return stack_id


def wait(client, stack_id: str, wanted: str) -> None:
    """Poll the stack's status until it is the wanted one."""
    from alibabacloud_ros20190910 import models
    from Tea.exceptions import TeaException

    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            stack = client.get_stack(models.GetStackRequest(region_id=REGION, stack_id=stack_id)).body
        except TeaException as error:
            if error.code == "StackNotFound" and wanted == "DELETE_COMPLETE":
                return
            raise
        if stack.status == wanted:
            say(f"{wanted}")
            return
        if not stack.status.endswith("_IN_PROGRESS"):
            raise RuntimeError(f"{stack.status}: {stack.status_reason}")
        time.sleep(0.2 if client._protocol == "http" else 5)
    raise RuntimeError(f"the stack is not {wanted} after five minutes")


def see(client, stack_id: str) -> dict:
    """Show the stack's resources and events; return its outputs."""
    from alibabacloud_ros20190910 import models

    listed = client.list_stacks(models.ListStacksRequest(region_id=REGION, stack_name=["sdk-only"])).body
    say(f"ListStacks: {[(one.stack_name, one.status) for one in listed.stacks]}")
    request = models.ListStackResourcesRequest(region_id=REGION, stack_id=stack_id)
    for one in client.list_stack_resources(request).body.resources:
        say(f"{one.logical_resource_id}: {one.resource_type} {one.physical_resource_id} {one.status}")
    events = client.list_stack_events(models.ListStackEventsRequest(region_id=REGION, stack_id=stack_id)).body.events
    say(f"{len(events)} events")
    stack = client.get_stack(models.GetStackRequest(region_id=REGION, stack_id=stack_id)).body
    return {one["OutputKey"]: one["OutputValue"] for one in stack.outputs}


def describe_vpcs(endpoint: str, key: str, secret: str, vpc_id: str) -> list:
    """Ask the VPC service, through the older official SDK, for the VPC's name."""
    from aliyunsdkcore.client import AcsClient
    from aliyunsdkcore.request import CommonRequest

    protocol, _, host = endpoint.rpartition("://")
    domain = host if protocol == "http" else f"vpc.{REGION}.aliyuncs.com"
    request = CommonRequest(domain=domain, version="2016-04-28", action_name="DescribeVpcs")
    request.set_protocol_type(protocol or "https")
    request.set_method("POST")
    request.add_query_param("RegionId", REGION)
    request.add_query_param("VpcId", vpc_id)
    reply = json.loads(AcsClient(key, secret, REGION).do_action_with_exception(request))
    return [one["VpcName"] for one in reply["Vpcs"]["Vpc"]]


def delete(client, stack_id: str) -> None:
    """Delete the stack and wait until it is gone."""
    from alibabacloud_ros20190910 import models

    client.delete_stack(models.DeleteStackRequest(region_id=REGION, stack_id=stack_id))
    wait(client, stack_id, "DELETE_COMPLETE")


if __name__ == "__main__":
    sys.exit(main())
