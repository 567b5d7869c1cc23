"""Templates that are not garret's keep the vendor's rules, and are not held to garret's own stricter ones."""

from __future__ import annotations

import pytest

from garret.templates.checks import check_template

OTHER = """ROSTemplateFormatVersion: '2015-09-01'
Parameters:
  Zone: {Type: String}
  NodePassword:
    Type: String
    NoEcho: true
    AssociationProperty: ALIYUN::ECS::Instance::Password
Resources:
  Net: {Type: 'ALIYUN::ECS::VPC', Properties: {CidrBlock: 10.0.0.0/8}}
  Switch:
    Type: ALIYUN::ECS::VSwitch
    Properties: {VpcId: !Ref Net, ZoneId: !Ref Zone, CidrBlock: 10.1.0.0/16}
  Wall:
    Type: ALIYUN::ECS::SecurityGroup
    Properties:
      VpcId: !GetAtt Net.VpcId
      SecurityGroupIngress:
        - {IpProtocol: udp, PortRange: 8000/9000, SourceCidrIp: 203.0.113.0/24}
        - {IpProtocol: icmp, PortRange: -1/-1, SourceCidrIp: 203.0.113.0/24}
  Node:
    Type: ALIYUN::ECS::InstanceGroup
    Properties:
      MaxAmount: 1
      SystemDiskEncrypted: 'true'
      VpcId: !Ref Net
      VSwitchId: !Ref Switch
      SecurityGroupId: !Ref Wall
      ImageId: ubuntu_24_04
      InstanceType: ecs.g7.large
      Password: !Ref NodePassword
      InternetMaxBandwidthOut: 5
      InternetMaxBandwidthIn: 5
      DiskMappings: [{Size: 40, Encrypted: 'true'}]
      HttpTokens: required
      Tags: [{Key: team, Value: studio}]
  Address: {Type: 'ALIYUN::VPC::EIP', Properties: {InternetChargeType: PayByBandwidth}}
  Inner:
    Type: ALIYUN::ROS::Stack
    Properties:
      TemplateBody:
        ROSTemplateFormatVersion: '2015-09-01'
        Resources:
          Sleep: {Type: 'ALIYUN::ROS::Sleep', Properties: {TriggerParameters: [!Ref Own]}}
Outputs:
  Inner: {Value: !GetAtt [Inner, Outputs.Anything]}
"""


def names(text: str, *, own: bool | None = None) -> set[str]:
    """The checks that speak up."""
    return {finding.check for finding in check_template(text, own=own)}


def test_another_template_that_keeps_the_vendor_s_rules_passes() -> None:
    """Its tags, ports, billing and nested names are its own business; short forms of functions are read."""
    assert check_template(OTHER) == []


def test_the_same_text_would_not_do_for_garret() -> None:
    """One TCP port, the deployment's tag, traffic by volume, no second address, a pattern for the password."""
    wanted = {"tags", "one-port", "one-protocol", "address", "own-address", "limits"}
    assert wanted <= names(OTHER, own=True)


@pytest.mark.parametrize(
    ("before", "after", "check"),
    [
        ("8000/9000", "1/65535", "one-port"),
        ("IpProtocol: udp, PortRange: 8000/9000", "IpProtocol: all, PortRange: -1/-1", "one-protocol"),
        ("8000/9000", "20/30", "login-ports"),
        ("203.0.113.0/24", "0.0.0.0/0", "open-ingress"),
        ("InternetMaxBandwidthOut: 5", "InternetMaxBandwidthOut: 500", "own-address"),
        ("InternetMaxBandwidthOut: 5", "InternetMaxBandwidthOut: !Ref Zone", "own-address"),
        ("Tags: [{Key: team, Value: studio}]", "Tags: []", "tags"),
        ("{InternetChargeType: PayByBandwidth}", "{Bandwidth: 500}", "address"),
        ("AssociationProperty: ALIYUN::ECS::Instance::Password", "MinLength: 4", "limits"),
        ("NoEcho: true", "MinLength: 8", "no-echo"),
        ("Password: !Ref NodePassword", "Password: Everybody-7", "no-login"),
        ("!Ref Wall", "!Ref Nowhere", "references"),
        ("!GetAtt Net.VpcId", "!GetAtt Net.Colour", "properties"),
        ("HttpTokens: required", "HttpTokens: optional", "metadata-tokens"),
        ("Size: 40, Encrypted: 'true'", "Size: 40", "disk-encrypted"),
        ("VSwitchId: !Ref Switch", "NetworkType: classic", "in-vpc"),
        ("10.1.0.0/16", "192.168.1.0/24", "ranges"),
        ("ImageId: ubuntu_24_04", "ImageId: ubuntu_24_04\n      UserData: " + "a" * 32_769, "size"),
    ],
)
def test_a_rule_that_another_template_breaks_is_told(before: str, after: str, check: str) -> None:
    """One change, and the check for it speaks up."""
    assert before in OTHER
    assert check in names(OTHER.replace(before, after))


def test_a_terraform_template_is_named_as_one() -> None:
    """It is none of ROS's own kind, and nothing is wrong with that."""
    (finding,) = check_template("ROSTemplateFormatVersion: '2015-09-01'\nTransform: Aliyun::Terraform-v1.5\n")
    assert "Aliyun::Terraform-v1.5" in finding.problem


def test_what_an_instance_cannot_say_is_not_asked_of_it() -> None:
    """ALIYUN::ECS::Instance has no property for encryption; the check must not name one that ROS refuses."""
    text = OTHER.replace("ECS::InstanceGroup", "ECS::Instance").replace("      MaxAmount: 1\n", "")
    text = text.replace("      SystemDiskEncrypted: 'true'\n", "").replace(", Encrypted: 'true'", "")
    assert check_template(text) == []
    assert "disk-encrypted" in names(text, own=True)
