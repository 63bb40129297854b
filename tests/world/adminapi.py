"""What does the admin API answer, and does it answer as docs/openapi.yaml says?

A Client asks over TCP or the unix socket. A Judge holds every exchange against the description and remembers which of
its paths, methods, statuses, parameters and fields were seen: what was never seen is a claim that nobody tested.
"""
import dataclasses
import http.client
import json
import os
import re
import socket
import urllib.parse

import jsonschema
import yaml

DESCRIPTION = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../docs/openapi.yaml')


@dataclasses.dataclass
class Answer:
    status: int
    headers: object
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__('localhost', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """address as in admin.address. token: sent with every request unless the request says otherwise."""

    def __init__(self, address, token=None, judge=None, timeout=60):
        self.address, self.token, self.judge, self.timeout = address, token, judge, timeout

    def as_(self, token):
        return Client(self.address, token, self.judge, self.timeout)

    def _connection(self):
        if self.address.startswith('unix:'):
            return _Unix(self.address.removeprefix('unix:'), self.timeout)
        host, _, port = self.address.rpartition(':')
        return http.client.HTTPConnection(host, int(port), timeout=self.timeout)

    def ask(self, method, target, body=None, headers=None):
        sent = {'Authorization': f'Bearer {self.token}'} if self.token else {}
        if method == 'POST':
            sent['Content-Type'] = 'application/json'
        sent.update(headers or {})
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        connection = self._connection()
        try:
            connection.request(method, target, body=data, headers={k: v for k, v in sent.items() if v is not None})
            got = connection.getresponse()
            answer = Answer(got.status, got.headers, got.read())
        finally:
            connection.close()
        if self.judge:
            self.judge.exchange(method, target, body, answer)
        return answer

    def get(self, target, **headers):
        return self.ask('GET', target, headers=headers)

    def post(self, target, body, **headers):
        return self.ask('POST', target, body, headers)


class Judge:
    def __init__(self):
        with open(DESCRIPTION) as f:
            self.document = _json_schema(yaml.safe_load(f))
        self.resolver = jsonschema.RefResolver('', self.document)
        self.seen = set()

    def _resolve(self, node):
        while '$ref' in node:
            node = self.resolver.resolve(node['$ref'])[1]
        return node

    def operations(self):
        for path, item in self.document['paths'].items():
            for method, operation in item.items():
                if method != 'parameters':
                    yield path, method.upper(), operation, item.get('parameters', []) + operation.get('parameters', [])

    def find(self, method, target):
        """The operation that a request means; the longest literal path wins."""
        path = target.split('?')[0]
        fits = [o for o in self.operations() if o[1] == method and
                re.fullmatch(re.sub(r'\{[a-z]+\}', '[^/]+', o[0]), path)]
        return max(fits, key=lambda o: len(o[0].replace('{id}', ''))) if fits else None

    def exchange(self, method, target, body, answer):
        found = self.find(method, target)
        if not found:
            return
        path, _, operation, parameters = found
        where = f'{method} {path}'
        assert str(answer.status) in operation['responses'], f'{where} answered {answer.status}, which is not described: {answer.body[:300]}'
        self.seen.add(f'{where} {answer.status}')
        for name in urllib.parse.parse_qs(target.partition('?')[2], keep_blank_values=True):
            assert name in [self._resolve(p)['name'] for p in parameters], f'{where}: parameter {name} is not described'
            self.seen.add(f'{where} ?{name}')
        if isinstance(body, dict) and answer.status == 200:
            self._hold(operation['requestBody']['content']['application/json']['schema'], body, where)
        response = self._resolve(operation['responses'][str(answer.status)])
        kind = (answer.headers.get('Content-Type') or '').split(';')[0]
        if 'content' not in response:
            assert not answer.body
        elif 'application/json' in response['content']:
            assert kind == 'application/json', (where, kind)
            self._hold(response['content']['application/json']['schema'], answer.json, where)
        elif path != '/page/{id}':
            assert kind in response['content'], (where, kind)

    def _hold(self, schema, value, where):
        try:
            jsonschema.Draft202012Validator(schema, resolver=self.resolver).validate(value)
        except jsonschema.ValidationError as e:
            raise AssertionError(f'{where}: {e.message} at {list(e.absolute_path)}') from None
        self._mark(schema, value, where)

    def _mark(self, schema, value, name):
        """Notes which described fields a value has. Fields of a named schema count wherever it is used."""
        if '$ref' in schema:
            return self._mark(self._resolve(schema), value, schema['$ref'].rpartition('/')[2])
        for part in schema.get('allOf', []):
            self._mark(part, value, name)
        if isinstance(value, list):
            for item in value:
                self._mark(schema.get('items', {}), item, name + '[]')
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in schema.get('properties', {}):
                    self.seen.add(f'{name}.{key}')
                    self._mark(schema['properties'][key], inner, f'{name}.{key}')

    def _fields(self, schema, name, done):
        if '$ref' in schema:
            known = schema['$ref'].rpartition('/')[2]
            if known not in done:
                done.add(known)
                yield from self._fields(self._resolve(schema), known, done)
            return
        for part in schema.get('allOf', []):
            yield from self._fields(part, name, done)
        if 'items' in schema:
            yield from self._fields(schema['items'], name + '[]', done)
        for key, inner in schema.get('properties', {}).items():
            yield f'{name}.{key}'
            yield from self._fields(inner, f'{name}.{key}', done)

    def described(self):
        """Every claim of the description."""
        done = set()
        for path, method, operation, parameters in self.operations():
            where = f'{method} {path}'
            for parameter in map(self._resolve, parameters):
                if parameter['in'] == 'query':
                    yield f'{where} ?{parameter["name"]}'
            contents = [operation.get('requestBody', {})] + [self._resolve(r) for r in operation['responses'].values()]
            yield from (f'{where} {status}' for status in operation['responses'])
            for content in contents:
                schema = content.get('content', {}).get('application/json', {}).get('schema')
                if schema:
                    yield from self._fields(schema, where, done)

    def unseen(self):
        return sorted(set(self.described()) - self.seen)


def _json_schema(node):
    """OpenAPI 3.0's `nullable` in JSON Schema's words."""
    if isinstance(node, list):
        return [_json_schema(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: _json_schema(v) for k, v in node.items()}
    if out.pop('nullable', False) is True:
        out['type'] = [out['type'], 'null']
    return out
