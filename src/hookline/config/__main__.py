"""``python -m hookline.config`` prints the reference page."""

from hookline.config.reference import page

if __name__ == "__main__":
    print(page(), end="")
