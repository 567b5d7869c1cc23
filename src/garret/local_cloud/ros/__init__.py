"""The stack service of the local cloud: ROS 2019-09-10 with templates of 2015-09-01."""
