"""What lies on the table of every task here: cubes and pads, and how they feel."""

CUBE_HALF = 0.014  # m; the jaws are parallel at this opening
PAD_HALF = 0.035  # m
PAD_TOP = 0.0005  # m, half the height of a pad, which is drawn and not felt
# Colours differ from each other, from the jaws' orange and from the arm's greys in hue.
CUBES = {"red": (0.85, 0.1, 0.1, 1.0), "green": (0.1, 0.6, 0.15, 1.0)}
PADS = {"blue": (0.1, 0.35, 0.85, 1.0), "pink": (0.95, 0.45, 0.85, 1.0)}
TOUCH = 0.01  # N from which on something is touched
LYING = 0.004  # m; how much higher the centre of a lying cube may be

CONTACT = {
    "friction": 0.8,
    "torsional": 0.03,
    "rolling": 0.001,
    "softness": 0.008,  # a held cube does not creep
    "dimensions": 4,
    "cone": "elliptic",
}
VIEW = {"target": [0.12, 0.0, 0.09], "distance": 0.6, "azimuth": 150.0, "elevation": -28.0}
