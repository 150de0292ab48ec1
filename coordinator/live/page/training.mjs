/** Loss and accuracy of all runs against the step. */
import { Chart } from "./chart.mjs";
import { count, figure, percent } from "./format.mjs";

export class TrainingCharts {
  #loss = new Chart({
    title: "Loss",
    x: "step",
    y: "training loss",
    log: true,
    formatX: count,
    formatY: figure,
  });
  #accuracy = new Chart({
    title: "Accuracy",
    x: "step",
    y: "accuracy",
    yRange: [0, 1],
    formatX: count,
    formatY: (share) => percent(share, 0),
  });

  constructor(parent) {
    parent.append(this.#loss.node, this.#accuracy.node);
  }

  update(runs, curves, colourOf) {
    const line = (run, column, extra = {}) => {
      const curve = curves.get(run.name) ?? { step: [], loss: [], accuracy: [], test: [] };
      const points = curve.step.map((step, i) => [step, curve[column][i]]);
      const { done, loss, accuracy } = run.training;
      const newest = column === "loss" ? loss : accuracy;
      if (newest !== null && done > (curve.step.at(-1) ?? -1)) points.push([done, newest]);
      return { name: run.name, colour: colourOf(run.name), points, ...extra };
    };
    this.#loss.update(runs.map((run) => line(run, "loss")));
    const marksOf = ({ name }) =>
      (curves.get(name)?.test ?? []).map(({ step, accuracy }) => [step, accuracy]);
    const hasTests = runs.some((run) => marksOf(run).length > 0);
    this.#accuracy.update(
      runs.map((run) => line(run, "accuracy", { marks: marksOf(run) })),
      hasTests ? "dots: clean test images" : "",
    );
  }
}
