# Words of `k=v` arguments: quotes and Jinja blocks hold blanks together.


def _get_quote_state(token, quote_char):
    """The quote that is still open at the end of the token."""
    for at, char in enumerate(token):
        if char in '"\'' and token[at - 1:at] != '\\':
            if quote_char is None:
                quote_char = char
            elif char == quote_char:
                quote_char = None
    return quote_char


def _count_jinja2_blocks(token, cur_depth, open_token, close_token):
    return max(cur_depth + token.count(open_token) - token.count(close_token), 0) \
        if token.count(open_token) != token.count(close_token) else cur_depth


def split_args(args):
    words, quote, depth = [], None, {'{{': 0, '{%': 0, '{#': 0}
    items = args.strip().split('\n')
    for line_at, item in enumerate(items):
        tokens = item.strip().split(' ')
        continued = False
        for at, token in enumerate(tokens):
            if token == '\\' and not quote:
                continued = True
                continue
            was_quoted, was_inside = quote, any(depth.values())
            quote = _get_quote_state(token, quote)
            appended = False
            if was_quoted or was_inside:
                # It belongs to the word before.
                if words:
                    words[-1] += ('' if at == 0 else ' ') + token
                else:
                    words.append(token)
                appended = True
            for opening, closing in (('{{', '}}'), ('{%', '%}'), ('{#', '#}')):
                depth[opening] = _count_jinja2_blocks(token, depth[opening], opening, closing)
            if not appended and token != '':
                words.append(token)
        if line_at < len(items) - 1 and not continued and words:
            words[-1] += '\n'
    if quote or any(depth.values()):
        raise Exception('error while splitting arguments, either an unbalanced jinja2 block or quotes')
    return words


def is_quoted(data):
    return len(data) > 0 and (data[0] == '"' and data[-1] == '"' or data[0] == "'" and data[-1] == "'")


def unquote(data):
    return data[1:-1] if is_quoted(data) else data
