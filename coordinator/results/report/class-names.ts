/** Words for the classes of a data set, in the order of its labels. */

const NAMES: Readonly<Record<string, readonly string[]>> = {
  cifar10: "plane car bird cat deer dog frog horse ship truck".split(" "),
  "fashion-mnist": "t-shirt trousers pullover dress coat sandal shirt sneaker bag boot".split(" "),
};

/** Empty where the labels speak for themselves, as digits do. */
export function classNamesOf(dataset: string): readonly string[] {
  return NAMES[dataset] ?? [];
}
