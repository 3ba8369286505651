"""What processes send one another while they make a sample: the only user of torch.distributed.

Nothing here knows what a latent is for, or who is told of a failure.
"""
