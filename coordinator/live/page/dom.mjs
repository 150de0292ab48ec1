/** Elements made once and then only changed where they differ: a page that is updated for days must not grow. */

const SVG = "http://www.w3.org/2000/svg";

/** `attributes` with the value undefined are left out. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** `undefined` takes the attribute away. */
export function setAttribute(node, name, value) {
  if (value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** One child for each item, in order: made when its key is new, updated always, taken away when its key is gone. */
export class KeyedList {
  #parent;
  #key;
  #make;
  #parts = new Map();

  /** `make(item)` returns `{ node, update(item) }`. */
  constructor(parent, key, make) {
    this.#parent = parent;
    this.#key = key;
    this.#make = make;
  }

  update(items) {
    const keys = new Set(items.map((item) => this.#key(item)));
    for (const [key, part] of this.#parts) {
      if (keys.has(key)) continue;
      part.node.remove();
      part.end?.();
      this.#parts.delete(key);
    }
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      const key = this.#key(item);
      let part = this.#parts.get(key);
      if (part === undefined) {
        part = this.#make(item);
        this.#parts.set(key, part);
      }
      if (part.node === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(part.node, place);
      part.update(item);
    }
  }
}
