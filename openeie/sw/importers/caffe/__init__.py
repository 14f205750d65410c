# SPDX-License-Identifier: Apache-2.0
"""Caffe networks: prototxt descriptions with weights from ``.net`` or ``.npz`` files."""
