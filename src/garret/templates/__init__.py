"""From a deployment to the text of its ROS template; pure."""
