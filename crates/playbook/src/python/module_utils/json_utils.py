# The JSON in what a module wrote.


def _filter_non_json_lines(data, objects_only=False):
    """(The lines from the first that opens an object or list to the last that closes it, warnings about what follows)."""
    lines = data.splitlines()
    pairs = {'{': '}'} if objects_only else {'{': '}', '[': ']'}
    for start, line in enumerate(lines):
        opening = line.strip()[:1]
        if opening in pairs and opening:
            break
    else:
        raise ValueError('No start of json char found')
    for end in range(len(lines) - 1, start - 1, -1):
        if lines[end].strip().endswith(pairs[opening]):
            break
    else:
        raise ValueError('No end of json char found')
    warnings = []
    trailing = lines[end + 1:]
    if trailing:
        warnings.append('Module invocation had junk after the JSON data: %s' % '\n'.join(trailing))
    return '\n'.join(lines[start:end + 1]), warnings
