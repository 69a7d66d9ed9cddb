"""Image features computed once: the ImageNet trunk and the region features that students see."""
