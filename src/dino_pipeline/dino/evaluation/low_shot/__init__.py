"""How far few labels go: classifiers of frozen features trained on a share of the train labels."""
