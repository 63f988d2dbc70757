/* global document, fetch */
/** Shows /api/v1/openapi.json to a reader who has a key. Everything is set as text, nothing as HTML. */

const form = document.querySelector('#ask');
const trouble = document.querySelector('#trouble');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  trouble.textContent = '';
  const key = document.querySelector('#key').value;
  try {
    const answer = await fetch('/api/v1/openapi.json', { headers: { authorization: `Bearer ${key}` } });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail);
    show(body);
  } catch (error) {
    trouble.textContent = error.message;
  }
});

function show(api) {
  form.hidden = true;
  document.querySelector('#version').textContent = `version ${api.info.version} · ${api.info.description}`;
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const [tag] = operation.tags;
      groups.set(tag, [...(groups.get(tag) ?? []), route(method, path, operation, api)]);
    }
  }
  const sections = [...groups].flatMap(([tag, routes]) => [make('h2', tag), ...routes]);
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => {
    const details = make('details', make('summary', make('code', name)), json(schema));
    details.id = name;
    return details;
  });
  document.querySelector('#routes').replaceChildren(...sections, make('h2', 'schemas'), ...schemas);
}

function route(method, path, operation, api) {
  const title = make(
    'summary',
    named('span', 'method', method.toUpperCase()),
    make('code', path),
    ` ${operation.summary}`,
  );
  const parts = [title, make('p', operation.description ?? 'Takes no key.')];
  if (operation.parameters) parts.push(make('h4', 'Parameters'), parameters(operation.parameters));
  for (const [type, { schema, example }] of Object.entries(operation.requestBody?.content ?? {})) {
    parts.push(make('h4', `Body, ${type}`), json(example ?? schema), json(resolve(schema, api)));
  }
  for (const [status, { description, content }] of Object.entries(operation.responses)) {
    const [type, media] = Object.entries(content ?? {})[0] ?? [];
    parts.push(make('h4', `${status} ${description}${type ? `, ${type}` : ''}`));
    if (media) parts.push(json(resolve(media.schema, api)));
  }
  return make('details', ...parts);
}

function parameters(list) {
  const rows = list.map(({ name, in: place, description, schema }) =>
    make(
      'tr',
      make('td', make('code', name)),
      make('td', place),
      make('td', description ?? JSON.stringify(schema)),
    ),
  );
  return make('table', ...rows);
}

function resolve(schema, api) {
  const name = schema.$ref?.split('/').at(-1);
  return name ? api.components.schemas[name] : schema;
}

function json(value) {
  return make('pre', JSON.stringify(value, null, 2));
}

function named(tag, name, ...children) {
  const element = make(tag, ...children);
  element.className = name;
  return element;
}

function make(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}
