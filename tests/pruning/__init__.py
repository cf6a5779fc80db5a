"""Tests of latency-saliency pruning."""
