"""Every form that `--data` takes, and what it is, in words. Imports nothing: a shell completes from it."""

from __future__ import annotations

KINDS = {
    "digits": "handwritten digits, bundled with scikit-learn: works offline",
    "cifar10": "photographs; downloaded once, or read from --data-dir",
    "cifar100": "photographs; downloaded once, or read from --data-dir",
    "flowers102": "102 kinds of flowers (Oxford), trained on train and val; downloaded once, or read from --data-dir",
    "pets": "37 breeds of cats and dogs (Oxford-IIIT); downloaded once, or read from --data-dir",
    "folder:DIR": "your images, a folder for each class, under train/ with test/ or val/, or split "
    "by us; see --image-size",
    "imagenet:DIR": "as ImageNet: train/CLASS/ and val/CLASS/, streamed from disk by --workers N processes",
    "synthetic:CxHxW:CLASSES[:IMAGES]": "made-up images for speed and smoke runs, such as synthetic:3x32x32:10:5000",
}
