"""Folders and files a person points at -> typed samples, tensors, DataFrames; and the small data that ships with the workbench."""

from workbench.datasets.annotated_folder import AnnotatedFolder, read_annotated_folder
from workbench.datasets.annotated_images import (
    AnnotatedImage,
    Annotation,
    Entry,
    ImageEntry,
    SkippedImage,
    load_images,
)
from workbench.datasets.annotation_folders import read_image_folder, read_kitti, read_voc
from workbench.datasets.annotation_json import read_bdd100k, read_coco
from workbench.datasets.annotation_writer import ScoredBox, coco_bytes, coco_dataset, write_coco
from workbench.datasets.census import read_acs_pums
from workbench.datasets.cifar10 import CIFAR10_CLASSES, load_cifar10
from workbench.datasets.coco_masks import MaskedImage, masked_image, read_coco_masks, write_coco_masks
from workbench.datasets.cutout_scenes import CUTOUT_TARGETS, CutoutScene, CutoutSceneConfig, cutout_pool
from workbench.datasets.drives import DriveConfig, write_drives
from workbench.datasets.emoji_street import SceneEntry, emoji_pool, emoji_street
from workbench.datasets.emoji_street_config import TARGET_CLASSES, EmojiStreetConfig
from workbench.datasets.extras import NotInstalledError
from workbench.datasets.fairness import DataCard, FairnessDataset
from workbench.datasets.files import atomic_write, cache_dir, data_dir, sha256
from workbench.datasets.idx import idx_bytes, read_idx
from workbench.datasets.image_files import UnreadableImageError, image_size, read_image
from workbench.datasets.images import (
    FASHION_MNIST_CLASSES,
    FASHION_MNIST_PACKAGE_FOLDER,
    ImageSet,
    load_digits_set,
    load_fashion_mnist,
)
from workbench.datasets.learning_curve_reader import LearningCurveFormatError, read_learning_curves
from workbench.datasets.learning_curves import FULL_SIZES, lcdb_curves, published_curves
from workbench.datasets.linemod_masks import read_linemod_masks
from workbench.datasets.linemod_occlusion import LINEMOD_OBJECTS, linemod_rotations, read_linemod_occlusion
from workbench.datasets.motion_boxes import median_background, moving_boxes
from workbench.datasets.nuscenes import (
    CAMERAS,
    NuScenesCamera,
    NuScenesFolder,
    NuScenesSample,
    ego_boxes,
    read_nuscenes,
)
from workbench.datasets.nuscenes_map import MAP_LAYERS, RoadMap, read_nuscenes_map
from workbench.datasets.nuscenes_results import read_detections, world_boxes, write_detections
from workbench.datasets.object_scenes import ObjectScene, ObjectSceneConfig, object_scene
from workbench.datasets.own_people import PeopleTableError, people_dataset, read_people
from workbench.datasets.people import compas_table, load_adult, load_compas, load_compas_two_years
from workbench.datasets.robustness_folders import (
    LabelledFiles,
    LabelMapFiles,
    read_cifar10_c,
    read_cityscapes,
    read_class_folders,
    read_imagenet,
    read_imagenet_c,
    read_imagenet_subset,
)
from workbench.datasets.run_lengths import decode_mask, encode_mask
from workbench.datasets.source_scores import read_source_scores
from workbench.datasets.sprites import ROAD_CLASSES, STYLES, emoji_sprites
from workbench.datasets.subsets import nested_stratified_subsets
from workbench.datasets.synthetic_groups import synthetic_groups
from workbench.datasets.video import VideoFrame, read_video_frames

__all__ = [
    "CAMERAS",
    "CIFAR10_CLASSES",
    "CUTOUT_TARGETS",
    "FASHION_MNIST_CLASSES",
    "FASHION_MNIST_PACKAGE_FOLDER",
    "FULL_SIZES",
    "LINEMOD_OBJECTS",
    "MAP_LAYERS",
    "ROAD_CLASSES",
    "STYLES",
    "TARGET_CLASSES",
    "AnnotatedFolder",
    "AnnotatedImage",
    "Annotation",
    "CutoutScene",
    "CutoutSceneConfig",
    "DataCard",
    "DriveConfig",
    "EmojiStreetConfig",
    "Entry",
    "FairnessDataset",
    "ImageEntry",
    "ImageSet",
    "LabelMapFiles",
    "LabelledFiles",
    "LearningCurveFormatError",
    "MaskedImage",
    "NotInstalledError",
    "NuScenesCamera",
    "NuScenesFolder",
    "NuScenesSample",
    "ObjectScene",
    "ObjectSceneConfig",
    "PeopleTableError",
    "RoadMap",
    "SceneEntry",
    "ScoredBox",
    "SkippedImage",
    "UnreadableImageError",
    "VideoFrame",
    "atomic_write",
    "cache_dir",
    "coco_bytes",
    "coco_dataset",
    "compas_table",
    "cutout_pool",
    "data_dir",
    "decode_mask",
    "ego_boxes",
    "emoji_pool",
    "emoji_sprites",
    "emoji_street",
    "encode_mask",
    "idx_bytes",
    "image_size",
    "lcdb_curves",
    "linemod_rotations",
    "load_adult",
    "load_cifar10",
    "load_compas",
    "load_compas_two_years",
    "load_digits_set",
    "load_fashion_mnist",
    "load_images",
    "masked_image",
    "median_background",
    "moving_boxes",
    "nested_stratified_subsets",
    "object_scene",
    "people_dataset",
    "published_curves",
    "read_acs_pums",
    "read_annotated_folder",
    "read_bdd100k",
    "read_cifar10_c",
    "read_cityscapes",
    "read_class_folders",
    "read_coco",
    "read_coco_masks",
    "read_detections",
    "read_idx",
    "read_image",
    "read_image_folder",
    "read_imagenet",
    "read_imagenet_c",
    "read_imagenet_subset",
    "read_kitti",
    "read_learning_curves",
    "read_linemod_masks",
    "read_linemod_occlusion",
    "read_nuscenes",
    "read_nuscenes_map",
    "read_people",
    "read_source_scores",
    "read_video_frames",
    "read_voc",
    "sha256",
    "synthetic_groups",
    "world_boxes",
    "write_coco",
    "write_coco_masks",
    "write_detections",
    "write_drives",
]
