"""Assignments of queries to ground truth."""

from unison3d.models.matchers.hungarian import HungarianMatcher
from unison3d.models.matchers.sparse_matcher import SparseMatcher

__all__ = ['HungarianMatcher', 'SparseMatcher']
