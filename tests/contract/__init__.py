"""What the vendor's APIs take: facts in `facts/`, and every request of ours held against them."""
