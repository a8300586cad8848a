"""Core: the strategies of the kinds that run pods to their end.

After: k8s pkg/registry/batch/{job,cronjob}/strategy.go
"""

from __future__ import annotations

from apiserver.registry import cron_job, job

JOB = job.STRATEGY
CRON_JOB = cron_job.STRATEGY
