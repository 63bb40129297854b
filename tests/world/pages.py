"""How do tests come by the examples of the pages in docs/, so that those are run as they stand?"""
import os
import re

from .relay import ROOT


def text_of(page):
    with open(os.path.join(ROOT, 'docs', page), encoding='utf-8') as f:
        return f.read()


def blocks(text, language):
    """The fenced blocks of that language."""
    return re.findall(rf'^```{re.escape(language)}\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


def block(page, language):
    """The only one of its language on that page."""
    one, = blocks(text_of(page), language)
    return one


def settings(text):
    """'key = value' lines as a dictionary."""
    return dict(re.split(r'\s*=\s*', line, maxsplit=1) for line in text.splitlines() if line)
