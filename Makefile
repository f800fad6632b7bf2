# `make` lists the targets. Each one creates .venv and installs what it needs by itself.
#
# Variables, on the command line or in the environment:
#   JOBS=3          lessons run at once by run-all
#   PROFILE=full    or smoke: seconds instead of minutes, to see that the code runs
#   SOURCE=auto     or sample (embedded data), or real (DLCOURSE_DATA, by default data/)
#   SEED=0          of every random generator
#   BACKBONE=auto   or the pretrained body that the transfer lessons are to use, such as mobilenetv2
#   GPU=1           with setup: TensorFlow with CUDA
#   DLCOURSE_DATA, DLCOURSE_OUTPUTS, DLCOURSE_MODELS   other folders than data/, outputs/, models/
#   DLCOURSE_MIRROR=http://teacher:8000   a classroom's server, for packages and data (docs/teacher.md)

SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= 3

ifdef PROFILE
export DLCOURSE_PROFILE := $(PROFILE)
endif
ifdef SOURCE
export DLCOURSE_SOURCE := $(SOURCE)
endif
ifdef SEED
export DLCOURSE_SEED := $(SEED)
endif
ifdef BACKBONE
export DLCOURSE_BACKBONE := $(BACKBONE)
endif
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYTHONUNBUFFERED := 1
# Where a lesson has written its half, a stop should leave that half to look at.
.PRECIOUS: %.ipynb

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed$(if $(GPU),-gpu)
DATA = $(or $(DLCOURSE_DATA),data)
LESSONS := $(sort $(patsubst notebooks/%.ipynb,%,$(wildcard notebooks/[0-9][0-9]_*.ipynb)))
HELPER := $(filter-out dlcourse/service/%,$(wildcard dlcourse/*.py dlcourse/*.toml dlcourse/*/*.py dlcourse/*/*.csv))

# make splits names at spaces, so those of a folder from the environment are escaped where it reads a rule.
empty :=
space := $(empty) $(empty)
FOLDER := $(or $(DLCOURSE_OUTPUTS),$(if $(filter smoke,$(DLCOURSE_PROFILE)),outputs/smoke,outputs))
OUTPUTS := $(subst $(space),\ ,$(FOLDER))

# Lessons that run side by side share the cores: where each took all of them, all would be slower.
CORES = $(or $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null),1)
THREADS = $(shell echo $$(( ($(CORES) + $(JOBS) - 1) / $(JOBS) )))
EACH = TF_NUM_INTRAOP_THREADS=$(THREADS) TF_NUM_INTEROP_THREADS=$(THREADS) OMP_NUM_THREADS=$(THREADS)

# The lessons whose models a lesson uses: NEEDS_<lesson> := <lesson> ...
NEEDS_08_pneumonia_knn_tsne := 06_pneumonia_vgg16_binary 07_pneumonia_vgg16_multiclass
NEEDS_15_looking_inside := 02_digits_cnn 03_sentiment_lstm 04_cats_dogs_mobilenetv2 06_pneumonia_vgg16_binary 13_emojify_lstm
NEEDED := $(sort $(foreach lesson,$(LESSONS),$(NEEDS_$(lesson))))
# As submissions are graded (dlcourse/classroom/grading.py): small models of these lessons, in grading/, soon trained.
AS_GRADED := PROFILE=smoke SOURCE=sample SEED=0 BACKBONE=stand-in \
  DLCOURSE_OUTPUTS=grading/executed DLCOURSE_MODELS=grading/models

.PHONY: help setup run-all lessons seeds test smoke lab serve data wheelhouse handouts grading bench report check
.PHONY: lock badges clean $(LESSONS)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo "  make NN_topic   run one lesson: $(LESSONS)"

setup: $(INSTALLED) ## create .venv and install; GPU=1 for TensorFlow with CUDA

run-all: $(INSTALLED) ## run every lesson that is not up to date, JOBS=3 at once, and print a table
	@$(PYTHON) -m dlcourse refresh
	@$(EACH) $(MAKE) --no-print-directory --keep-going --jobs=$(JOBS) lessons; status=$$?; \
	$(PYTHON) -m dlcourse report || status=1; exit $$status

seeds: $(INSTALLED) ## run LESSON=NN_topic with SEEDS=5 seeds; print mean, spread and tolerance of its scores
	@[ -n "$(filter $(LESSON),$(LESSONS))" ] || { echo "expected make seeds LESSON=NN_topic; make lists the lessons" >&2; exit 2; }
	@[ "$$DLCOURSE_PROFILE" != smoke ] || { echo "expected full runs; a smoke run says nothing of a score" >&2; exit 2; }
	@for seed in $$(seq 0 $$(($(or $(SEEDS),5) - 1))); do \
	  folder="$(FOLDER)/seeds/$$seed"; \
	  $(MAKE) --no-print-directory $(LESSON) SEED=$$seed DLCOURSE_OUTPUTS="$$folder" DLCOURSE_MODELS="$$folder/models" \
	    DLCOURSE_CACHE="$(or $(DLCOURSE_CACHE),$(FOLDER)/cache)" || exit 1; \
	done; $(PYTHON) -m dlcourse seeds $(LESSON) $(or $(SEEDS),5)

test: $(INSTALLED) ## smoke-run every lesson, then all tests
	@$(PYTHON) tests/run.py notebooks tests

smoke: $(INSTALLED) ## smoke-run every lesson (nbval alone)
	@$(PYTHON) tests/run.py notebooks

lab: $(INSTALLED) ## open the lessons in JupyterLab
	@$(VENV)/bin/jupyter lab notebooks

serve: $(INSTALLED) ## the Emojify API and a demo page on port 7860; LISTEN, PORT, SHARE=VERSION=FRACTION
	@$(PYTHON) -m dlcourse serve $(if $(LISTEN),--host $(LISTEN)) $(if $(PORT),--port $(PORT)) $(if $(SHARE),--share $(SHARE))

data: $(INSTALLED) ## download the real datasets of the lessons (about 2 GB; see data/README.md)
	@$(PYTHON) -m dlcourse data fetch

wheelhouse: $(INSTALLED) ## collect the pinned packages in data/wheelhouse/, to install without the internet
	@$(PYTHON) tools/wheelhouse.py collect "$(DATA)"

handouts: $(INSTALLED) ## run-all, then outputs/handouts/: notebooks, web pages, PDF, slides for class and teacher
	-@$(MAKE) --no-print-directory run-all
	@$(PYTHON) -m dlcourse handouts

grading: $(INSTALLED) ## set up grading/ for nbgrader, every lesson an assignment (docs/teacher.md)
	@$(MAKE) --no-print-directory $(NEEDED) $(AS_GRADED)
	@$(PYTHON) -m dlcourse grading

bench: $(INSTALLED) ## measure speed and memory side by side
	@for script in benchmarks/*.py; do echo "== $$script"; $(PYTHON) "$$script" || status=1; done; exit $$status

report: $(INSTALLED) ## the table of what has been run, and outputs/index.html
	@$(PYTHON) -m dlcourse report

check: $(INSTALLED) ## lint the code and the notebooks
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/nbstripout --verify --keep-id --keep-count notebooks/*.ipynb docs/template.ipynb

lock: $(INSTALLED) ## write requirements.txt anew from pyproject.toml (for maintainers)
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev --upgrade \
	  --custom-compile-command "make lock" --output-file requirements.txt pyproject.toml
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --constraint requirements.txt --no-annotate \
	  --custom-compile-command "make lock" --output-file deploy/requirements.txt deploy/requirements.in

badges: $(INSTALLED) ## write REPOSITORY=https://github.com/… into the Colab badges (for maintainers)
	@$(PYTHON) tools/set_repository.py $(REPOSITORY) && $(VENV)/bin/ruff format --quiet notebooks docs

clean: ## remove what was computed: outputs/ and models/ (not .venv, not data/)
	rm -rf outputs models

# ---- how the above happens ------------------------------------------------------------------------------------

$(INSTALLED): requirements.txt pyproject.toml
	@python=$$(PYTHON3="$(PYTHON3)" $(SHELL) tools/find-python) && { [ -x $(PYTHON) ] || "$$python" -m venv $(VENV); }
	@echo "installing into $(VENV) (a few minutes the first time)"
	@options="$$($(PYTHON) tools/wheelhouse.py options "$(DATA)") --quiet --disable-pip-version-check"; \
	$(PYTHON) -m pip install $$options -r requirements.txt && \
	$(PYTHON) -m pip install $$options --no-deps --editable .
	$(if $(GPU),@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c requirements.txt --editable ".[gpu]")
	@touch $(VENV)/.installed $@

# Long lessons first, short ones at the end, so that no core waits for the last; first of all what lesson 15 needs.
SHORT := 07_pneumonia_vgg16_multiclass 15_looking_inside 10_anomaly_autoencoder 01_convolution_by_hand 08_pneumonia_knn_tsne
LONG = $(filter-out $(SHORT) $(NEEDS_15_looking_inside),$(LESSONS))
ORDER = $(filter $(LESSONS),$(NEEDS_15_looking_inside)) $(LONG) $(foreach lesson,$(SHORT),$(filter $(lesson),$(LESSONS)))
lessons: $(foreach lesson,$(ORDER),$(OUTPUTS)/$(lesson)/run.json)

# A lesson asked for by name runs if anything it rests on has changed, as in run-all.
$(LESSONS): %: $(INSTALLED)
	@$(PYTHON) -m dlcourse refresh
	@$(MAKE) --no-print-directory "$(FOLDER)/$@/run.json"

# One rule a lesson, since a pattern rule matches no path with a space.
define lesson_rule
$(OUTPUTS)/$(1)/run.json: notebooks/$(1).ipynb $(HELPER) $(OUTPUTS)/.settings $(foreach needed,$(NEEDS_$(1)),$(OUTPUTS)/$(needed)/run.json)
	@$(PYTHON) -m dlcourse run $(1)
endef
$(foreach lesson,$(LESSONS),$(eval $(call lesson_rule,$(lesson))))
