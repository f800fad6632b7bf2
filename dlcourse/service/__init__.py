"""The Emojify API and a demo page for the course's models, on one port; needs the extra ``serve``."""
