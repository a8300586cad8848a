"""The control loop: events -> key -> queue -> observe -> plan -> act. See kube/README.md."""
