"""Low-shot classification: classifiers of frozen features, trained on a share of the train labels."""
