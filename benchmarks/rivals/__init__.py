"""Published few-shot heads that are no part of skclip, and the comparison of all of them."""
