"""Fine-tuning: end-to-end training with labels, from the pretrained backbone and from others for comparison."""
